/* Products with weights of eight bits: a quarter of float32's bytes, where a text's speed is that of reading its weights.
 *
 * Each column has a scale of its own, so that its largest weight is 127. Rows are rounded to steps of 1 / 4095: sums of
 * 4,096 products fit 32 bits. They are exact, so nothing depends on their order or on the processor.
 *
 *      strips of 16 columns, two rows side by side: [k = 0: c0 k0, c0 k1, c1 k0, c1 k1, ... c15 k1][k = 2: ...] ...
 */
#include "vectors.h"

#define ROW_SCALE 4095.0f

/* Round n rows of numbers in -1..1. Adding 3 * 2^22 leaves the whole number in the lowest bits. */
NOINLINE void round_rows(size_t n, const float *rows, int16_t *to)
{
    for (size_t i = 0; i < n; i++) {
        const float sum = rows[i] * ROW_SCALE + 12582912.0f;
        int32_t bits;
        memcpy(&bits, &sum, sizeof bits);
        to[i] = (int16_t)bits;
    }
}

/* Put the product of up to 6 rounded rows with 64 columns at `to`, or add it to what is there. `scales` hold what a
 * unit of each column's sums is. */
NOINLINE void multiply_i8(const int add, size_t n, const int16_t *rows, size_t stride, const int8_t *weights,
                          const float *scales, size_t depth, float *to, size_t to_stride)
{
    WITH_COUNT(n, {
        enum { groups = GROUPS(count) };
        for (int first = 0; first < GATES; first += groups) {
            const int8_t *strip = weights + first * UNITS * depth;
            ivec sums[MAX_ROWS][GATES];
            UNROLLED(r, count) UNROLLED(g, groups) sums[r][g] = izero();
            for (size_t k = 0; k < depth; k += 2) {
                ivec w[GATES];
                UNROLLED(g, groups) w[g] = ipairs(strip + (g * depth + k) * UNITS);
                UNROLLED(r, count) {
                    int32_t pair;
                    memcpy(&pair, rows + r * stride + k, sizeof pair);
                    UNROLLED(g, groups) sums[r][g] = idot(sums[r][g], w[g], pair);
                }
            }
            UNROLLED(r, count) UNROLLED(g, groups) {
                float *at = to + r * to_stride + (first + g) * UNITS;
                const vec product = vmul(ifloat(sums[r][g]), vload(scales + (first + g) * UNITS));
                vstore(at, add ? vadd(product, vload(at)) : product);
            }
        }
    })
}
