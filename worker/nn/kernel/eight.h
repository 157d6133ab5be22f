/* Products of numbers of eight bits with sums of 32, four at a time: four times as many as of float32 where a processor has
 * the instruction (VNNI, NEON's dot product), twice as many by AVX2's. Sums are exact, so nothing depends on their order.
 *
 * x86's instructions want one of two factors lifted: VNNI's by 128 to 1..255, AVX2's by 64 to 1..127, since it adds pairs
 * of products in sixteen bits. Each column of weights has a scale of its own, so that its largest weight is 127, or
 * that of a lifted one, and so has each row of gradients.
 *
 *      strips of columns, four rows side by side: [k = 0: c0 k0, c0 k1, c0 k2, c0 k3, c1 k0, ... ][k = 4: ...] ...
 */
enum { FOUR = 4, LARGEST = 127 };

/* Where column n of weights begins, depth numbers each; a row of fours is STRIP FOUR numbers. */
INLINE size_t fours_place(size_t n, size_t depth) { return n / STRIP * STRIP * depth + n % STRIP * FOUR; }

/* Put the product of up to 6 rows with 64 columns at `to`: `lifted` rows with weights, or rows with lifted weights. Sums
 * begin with what takes the lift away again, of each column, or of each row; they are scaled by row, and by column unless
 * `column_scales` is NULL. */
INLINE void multiply_eight(const int lifted, size_t n, const void *rows, size_t stride, const int8_t *weights, size_t depth,
                           const int32_t *begins, const float *row_scales, const float *column_scales, float *to,
                           size_t to_stride)
{
    const size_t apart = fours_place(UNITS, depth);
    WITH_COUNT(n, {
        enum { groups = GROUPS(count) };
        for (int first = 0; first < GATES; first += groups, weights += groups * apart) {
            ivec sums[MAX_ROWS][GATES];
            UNROLLED(r, count) UNROLLED(g, groups)
                sums[r][g] = lifted ? iload(begins + (first + g) * UNITS) : isplat(begins[r]);
            for (size_t k = 0; k < depth; k += FOUR) {
                ivec w[GATES];
                UNROLLED(g, groups) w[g] = iload(weights + k * STRIP + g * apart);
                UNROLLED(r, count) {
                    int32_t four;
                    memcpy(&four, (const int8_t *)rows + r * stride + k, sizeof four);
                    UNROLLED(g, groups)
                        sums[r][g] = lifted ? qdot(sums[r][g], isplat(four), w[g]) : qdot(sums[r][g], w[g], isplat(four));
                }
            }
            UNROLLED(r, count) {
                const vec scale = vsplat(row_scales[r]);
                UNROLLED(g, groups) {
                    const size_t column = (first + g) * UNITS;
                    const vec product = vmul(scale, ifloat(sums[r][g]));
                    vstore(to + r * to_stride + column,
                           column_scales ? vmul(product, vload(column_scales + column)) : product);
                }
            }
        }
    })
}

NOINLINE void multiply_forward(size_t n, const uint8_t *rows, size_t stride, const int8_t *weights, size_t depth,
                               const int32_t *begins, const float *row_scales, const float *column_scales, float *to,
                               size_t to_stride)
{
    multiply_eight(1, n, rows, stride, weights, depth, begins, row_scales, column_scales, to, to_stride);
}

NOINLINE void multiply_backward(size_t n, const int8_t *rows, size_t stride, const int8_t *weights, size_t depth,
                                const int32_t *begins, const float *row_scales, float *to, size_t to_stride)
{
    multiply_eight(0, n, rows, stride, weights, depth, begins, row_scales, NULL, to, to_stride);
}

/* to[0..count - 1][16 `groups`] = what is there, if `add`, + scale times the products of lifted columns of `left` with
 * columns of `right`, over n fours of rows of both, `pitch` and `wide` apart. */
INLINE void put_fours(const int count, const int groups, int add, size_t n, const float *left, size_t pitch,
                      const float *right, size_t wide, const int32_t *begins, float scale, float *to, size_t to_stride)
{
    ivec sums[MAX_ROWS][GATES];
    UNROLLED(r, count) UNROLLED(g, groups) sums[r][g] = iload(begins + g * UNITS);
    for (size_t k = 0; k < n; k++) {
        ivec w[GATES];
        UNROLLED(g, groups) w[g] = iload(right + k * wide + g * UNITS);
        UNROLLED(r, count) {
            int32_t four;
            memcpy(&four, left + k * pitch + r, sizeof four);
            UNROLLED(g, groups) sums[r][g] = qdot(sums[r][g], isplat(four), w[g]);
        }
    }
    UNROLLED(r, count) UNROLLED(g, groups) {
        float *at = to + r * to_stride + g * UNITS;
        const vec product = vmul(vsplat(scale), ifloat(sums[r][g]));
        vstore(at, add ? vadd(product, vload(at)) : product);
    }
}

/* The same for to[0..15]. */
INLINE void put_sixteen_fours(const int groups, int add, size_t n, const float *left, size_t pitch, const float *right,
                              size_t wide, const int32_t *begins, float scale, float *to, size_t to_stride)
{
#define PUT(count, row) \
    put_fours(count, groups, add, n, left + (row), pitch, right, wide, begins, scale, to + (row) * to_stride, to_stride)
#if EIGHT_ROWS == 4
    PUT(4, 0), PUT(4, 4), PUT(4, 8), PUT(4, 12);
#else
    PUT(6, 0), PUT(5, 6), PUT(5, 11);
#endif
#undef PUT
}

/* Four numbers of each of sixteen columns, rounded and side by side; lifted, if `lift` is LIFT. */
INLINE ivec four_of(const vec numbers[FOUR], const vec factors[FOUR], int32_t lift, ivec *sum)
{
    ivec found = isplat(0);
    UNROLLED(r, FOUR) {
        const ivec rounded = iround(vmul(numbers[r], factors[r]));
        if (sum) *sum = iadd(*sum, rounded);
        found = ior(found, ishift(iand(iadd(rounded, isplat(lift)), isplat(255)), 8 * r));
    }
    return found;
}

/* What a row is multiplied with so that its largest number is `most`: nothing if there is only zero. */
INLINE float factor_of(float largest, int most) { return largest > 0 ? most / largest : 0; }

INLINE int32_t isum_of(ivec x)
{
    int32_t all[UNITS], sum = 0;
    istore(all, x);
    for (size_t i = 0; i < UNITS; i++) sum += all[i];
    return sum;
}
