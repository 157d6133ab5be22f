/* Products with weights of eight bits: a quarter of float32's bytes, where a text's speed is that of reading its weights.
 *
 * Each column has a scale of its own, so that its largest weight is 127. Rows are rounded to steps of 1 / 63 and lifted by
 * 64 to 1..127: two products fit the sixteen bits in which AVX2 adds them. A column's sum begins with what takes the lift
 * away again. Sums are exact, so nothing depends on their order or on the processor.
 *
 *      strips of 16 columns, four rows side by side: [k = 0: c0 k0, c0 k1, c0 k2, c0 k3, c1 k0, ... c15 k3][k = 4: ...] ...
 */
#include "vectors.h"

struct narrow {
    const int8_t *weights;
    const float *scales;   /* of each column: what 1 of its sums is */
    const int32_t *begins; /* of each column: what its sums begin with, -64 times its weights */
};

/* Round n numbers in -1..1. Adding 3 * 2^22 leaves the whole number in the lowest bits. */
NOINLINE void round_rows(size_t n, const float *rows, uint8_t *to)
{
    for (size_t i = 0; i < n; i++) {
        const float sum = rows[i] * 63.0f + (12582912.0f + 64.0f);
        uint32_t bits;
        memcpy(&bits, &sum, sizeof bits);
        to[i] = (uint8_t)bits;
    }
}

/* The product of `count` rounded rows with `groups` times 16 columns from `column` on; both are constants. */
INLINE void product_i8(const int count, const int groups, const uint8_t *rows, size_t stride, const struct narrow *m,
                       size_t column, size_t depth, vec products[MAX_ROWS][GATES])
{
    const int8_t *strip = m->weights + column * depth;
    ivec sums[MAX_ROWS][GATES];
    UNROLLED(r, count) UNROLLED(g, groups) sums[r][g] = iload(m->begins + column + g * UNITS);
    for (size_t k = 0; k < depth; k += 4) {
        ivec w[GATES];
        UNROLLED(g, groups) w[g] = iload(strip + (g * depth + k) * UNITS);
        UNROLLED(r, count) {
            int32_t four;
            memcpy(&four, rows + r * stride + k, sizeof four);
            UNROLLED(g, groups) sums[r][g] = qdot(sums[r][g], isplat(four), w[g]);
        }
    }
    UNROLLED(r, count) UNROLLED(g, groups)
        products[r][g] = vmul(ifloat(sums[r][g]), vload(m->scales + column + g * UNITS));
}

/* Put the product of up to 6 rounded rows with 64 columns at `to`, or add it to what is there. */
NOINLINE void multiply_i8(const int add, size_t n, const uint8_t *rows, size_t stride, const struct narrow *m,
                          size_t column, size_t depth, float *to, size_t to_stride)
{
    WITH_COUNT(n, {
        enum { groups = GROUPS(count) };
        for (int first = 0; first < GATES; first += groups) {
            vec products[MAX_ROWS][GATES];
            product_i8(count, groups, rows, stride, m, column + first * UNITS, depth, products);
            UNROLLED(r, count) UNROLLED(g, groups) {
                float *at = to + r * to_stride + (first + g) * UNITS;
                vstore(at, add ? vadd(products[r][g], vload(at)) : products[r][g]);
            }
        }
    })
}
