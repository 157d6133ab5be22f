/* What the layer (lstm.c) and writing (write.c) have in common: sixteen numbers at once, their squashing, products
 * whose sums stay in registers. The only difference between families of processors is the header FAMILY.
 *
 * Weights of H units in a product with rows of `depth` numbers have G = 4 H columns, one for each gate sum. They are
 * sorted in blocks of 16 units, in a block by gate: input, forget, cell, output:
 *
 *            block 0 (units 0..15)               block 1 (units 16..31)            H / 16 blocks
 *      |<------------- 64 ------------->|  |<------------- 64 ------------->|
 *      [ i x16 | f x16 | g x16 | o x16 ]   [ i x16 | f x16 | g x16 | o x16 ]   ...
 *
 * Memory holds one strip of columns after the other, row by row, so that a product reads it from front to back. A strip
 * is as wide as the registers can sum at once: a block (AVX-512), or one gate of it (AVX2).
 *
 *      strip 0: [k = 0: STRIP numbers][k = 1: STRIP numbers] ... [k = depth - 1]   strip 1: ...
 *
 * A family's header defines:
 *   vec                  sixteen float32
 *   vload, vstore        from and to any address; vstream: past the caches, to a multiple of 64 bytes
 *   vsplat               sixteen times one number
 *   vadd, vsub, vmul     a + b, a - b, a b; vmin, vmax: b if either is NaN
 *   vfma, vfms, vfnma    a b + c, a b - c, c - a b, rounded once
 *   vround               to the nearest whole number; vscale: x 2^power, power whole and below 127, any with BFLOAT16
 *   vreciprocal          1 / x to a rounding
 *   ivec                 sixteen int32, or as many fours of int8; iload, isplat; ifloat: to float32
 *   qdot                 sum + the four products of each four, lifted ones, 0..127 at least, with others
 *   flush_denormals      count numbers below 1e-38 as zero, since gradients that vanish would take a hundred times as
 *                        long; returns the mode before for `restore`
 *   STRIP, OUTER         columns of a strip; groups of 16 columns that an outer product sums at once
 *   GROUPS(count)        groups of 16 columns that a product of `count` rows sums at once: STRIP / 16 or more, the same for
 *                        three and more rows
 *   NEAR                 rows of a strip that are multiplied with all rows of a batch before the next ones
 *   BFLOAT16             1 if bfloat16.h is supported; then also:
 *     vwiden             sixteen float32 from as many bfloat16; vnarrow, vnarrow_past: to them, rounded to the nearest
 *     vestimate_reciprocal  1 / x to 1e-4
 *     pairs, pload       sixteen pairs of bfloat16; pstore: two times sixteen float32 as pairs, the first numbers first
 *     pdot               sum + the products of each pair with one pair
 *   EIGHT_BITS           1 if eight.h is supported; then also:
 *     iadd, iand, ior, ishift  of int32, to the left; iround: to the nearest; istore; bstore: the lowest eight bits of each
 *     LIFT, LIFTED       by how much lifted ones are, and the largest before that
 *     EIGHT_ROWS         4 or 6: rows whose sums, with as many groups as GROUPS says, stay in registers
 */
#ifndef CHARLOOM_VECTORS_H
#define CHARLOOM_VECTORS_H

#if defined(__GNUC__) && !defined(__clang__)
/* Partial redundancy elimination copies the sums of narrow.h from register to register, and to memory and back. Loops
 * with comparisons, such as e^x of the choice, aren't vectorized if these must raise the processor's exceptions. */
#pragma GCC optimize("no-tree-pre", "no-trapping-math")
#endif

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t bf16;
typedef unsigned fp_mode;

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline, unused))
/* Loops over arrays that must become registers. */
#define UNROLLED(i, end) _Pragma("GCC unroll 6") for (int i = 0; i < (end); i++)
enum { UNITS = 16, GATES = 4, BLOCK = UNITS * GATES, MAX_ROWS = 6 };
enum { FLOAT32, BF16_DOT, BF16_TILES, EIGHT };

#include FAMILY

#ifndef BFLOAT16
#define BFLOAT16 0
#endif
#ifndef EIGHT_BITS
#define EIGHT_BITS 0
#endif

/* Sixteen numbers' sum, always in the same order. */
INLINE float sum_of(vec x)
{
    float all[UNITS];
    vstore(all, x);
    for (size_t half = UNITS / 2; half; half /= 2)
        for (size_t i = 0; i < half; i++) all[i] += all[i + half];
    return all[0];
}

/* The largest of sixteen numbers. */
INLINE float largest_of(vec x)
{
    float all[UNITS], found;
    vstore(all, x);
    found = all[0];
    for (size_t i = 1; i < UNITS; i++) found = all[i] > found ? all[i] : found;
    return found;
}

INLINE vec polynomial(const int degree, vec x, const float *coefficients)
{
    vec p = vsplat(coefficients[0]);
#pragma GCC unroll 6
    for (int i = 1; i <= degree; i++) p = vfma(p, x, vsplat(coefficients[i]));
    return p;
}

/* 2^x, |x| < 126, to a rounding: interpolated on -1/2..1/2 at Chebyshev's seven nodes (to 3e-9). NaN stays NaN. */
INLINE vec power_of_two(vec x)
{
    const float coefficients[] = {1.5461444691e-4f, 1.3400428178e-3f, 9.6180566785e-3f, 5.5503272267e-2f,
                                  2.4022650922e-1f, 6.9314720670e-1f, 1.0f};
    const vec whole = vround(x);
    return vscale(polynomial(6, vsub(x, whole), coefficients), whole);
}

#if BFLOAT16
/* The same to 1e-4, enough where what follows is rounded to bfloat16's eight bits: interpolated at four nodes. */
INLINE vec rough_power_of_two(vec x)
{
    const float coefficients[] = {5.5838282946e-2f, 2.4263947855e-1f, 6.9313673388e-1f, 9.9992455695e-1f};
    const vec whole = vround(x);
    return vscale(polynomial(3, vsub(x, whole), coefficients), whole);
}
#endif

/* 1 / (1 + 2^(scale x)). */
INLINE vec logistic(const int rough, vec x, float scale)
{
#if BFLOAT16
    if (rough) return vestimate_reciprocal(vadd(vsplat(1.0f), rough_power_of_two(vmul(x, vsplat(scale)))));
#endif
    (void)rough;
    return vreciprocal(vadd(vsplat(1.0f), power_of_two(vmin(vsplat(125.0f), vmul(x, vsplat(scale))))));
}

INLINE vec sigmoid(const int rough, vec x) { return logistic(rough, x, -1.44269504f); }
INLINE vec tanh_of(const int rough, vec x)
{
    return vfms(vsplat(2.0f), logistic(rough, x, -2.88539008f), vsplat(1.0f));
}

/* The gates of 16 units, and their state after them. */
struct cell { vec i, f, g, o, c, h; };

/* From four gate sums, 16 numbers apart, what enters them in addition, and c before. */
INLINE struct cell cell_of(const int rough, const float *sums, const vec entering[GATES], vec c)
{
    struct cell made;
    made.i = sigmoid(rough, vadd(vload(sums), entering[0]));
    made.f = sigmoid(rough, vadd(vload(sums + UNITS), entering[1]));
    made.g = tanh_of(rough, vadd(vload(sums + 2 * UNITS), entering[2]));
    made.o = sigmoid(rough, vadd(vload(sums + 3 * UNITS), entering[3]));
    made.c = vfma(made.f, c, vmul(made.i, made.g));
    made.h = vmul(made.o, tanh_of(rough, made.c));
    return made;
}

/* Where gate sum n of the packed order is among the rows of torch's weights: input, forget, cell, output of all. */
INLINE size_t torch_row(size_t n, size_t units)
{
    return n % BLOCK / UNITS * units + n / BLOCK * UNITS + n % UNITS;
}

/* Where column n of weights begins, depth numbers each. */
INLINE size_t column_place(size_t n, size_t depth) { return n / STRIP * STRIP * depth + n % STRIP; }

/* Up to this many of m rows at once, all parts of nearly one height. */
INLINE size_t height(size_t m, size_t most)
{
    const size_t parts = (m + most - 1) / most;
    return (m + parts - 1) / parts;
}

/* The rest for a constant count of 1 to 6. */
#define WITH_COUNT(n, ...)                                                                                             \
    switch (n) {                                                                                                       \
    case 1: { enum { count = 1 }; __VA_ARGS__; break; }                                                                \
    case 2: { enum { count = 2 }; __VA_ARGS__; break; }                                                                \
    case 3: { enum { count = 3 }; __VA_ARGS__; break; }                                                                \
    case 4: { enum { count = 4 }; __VA_ARGS__; break; }                                                                \
    case 5: { enum { count = 5 }; __VA_ARGS__; break; }                                                                \
    default: { enum { count = 6 }; __VA_ARGS__; break; }                                                               \
    }

/* sums[r][g] += group g of 16 columns of the product of `count` rows, `stride` apart, whose numbers are `step` apart, with
 * weights whose rows are `pitch` apart and whose groups `apart`. All but addresses are constants, so that sums stay in
 * registers. Where `paired` each element, of rows as of weights, is a pair of bfloat16 instead of one float32. */
INLINE void add_product(const int paired, const int count, const int groups, const float *rows, size_t stride, size_t step,
                        const float *weights, size_t pitch, size_t apart, size_t depth, vec sums[MAX_ROWS][GATES])
{
#pragma GCC unroll 2
    for (size_t k = 0; k < depth; k++) {
#if BFLOAT16
        if (paired) {
            pairs w[GATES];
            UNROLLED(g, groups) w[g] = pload((const bf16 *)(weights + k * pitch + g * apart));
            UNROLLED(r, count) {
                int32_t pair;
                memcpy(&pair, rows + r * stride + k * step, sizeof pair);
                UNROLLED(g, groups) sums[r][g] = pdot(sums[r][g], w[g], pair);
            }
            continue;
        }
#endif
        vec w[GATES];
        UNROLLED(g, groups) w[g] = vload(weights + k * pitch + g * apart);
        UNROLLED(r, count) {
            const vec a = vsplat(rows[r * stride + k * step]);
            UNROLLED(g, groups) sums[r][g] = vfma(a, w[g], sums[r][g]);
        }
    }
    (void)paired;
}

/* to[r][g] = what is there, if `add`, + that product; rows of `to` are `to_stride` apart. */
INLINE void put_product(const int paired, const int count, const int groups, int add, const float *rows, size_t stride,
                        size_t step, const float *weights, size_t pitch, size_t apart, size_t depth, float *to,
                        size_t to_stride)
{
    vec sums[MAX_ROWS][GATES];
    if (add) UNROLLED(r, count) UNROLLED(g, groups) sums[r][g] = vload(to + r * to_stride + g * UNITS);
    else UNROLLED(r, count) UNROLLED(g, groups) sums[r][g] = vsplat(0.0f);
    add_product(paired, count, groups, rows, stride, step, weights, pitch, apart, depth, sums);
    UNROLLED(r, count) UNROLLED(g, groups) vstore(to + r * to_stride + g * UNITS, sums[r][g]);
}

/* to[0..15][16 `groups`] = what is there, if `add`, + the products of sixteen columns of `left` with columns of `right`,
 * summed over n rows of both, `pitch` and `wide` apart. */
INLINE void put_sixteen(const int paired, const int groups, int add, size_t n, const float *left, size_t pitch,
                        const float *right, size_t wide, float *to, size_t to_stride)
{
    put_product(paired, 6, groups, add, left, 1, pitch, right, wide, UNITS, n, to, to_stride);
    put_product(paired, 5, groups, add, left + 6, 1, pitch, right, wide, UNITS, n, to + 6 * to_stride, to_stride);
    put_product(paired, 5, groups, add, left + 11, 1, pitch, right, wide, UNITS, n, to + 11 * to_stride, to_stride);
}

/* Put the product of n rows with a block's 64 columns at `to`, rows `to_stride` apart, or add it to what is there. So
 * much of a strip as fits the nearest cache is multiplied with all rows, then the next part. A function of its own:
 * inlined, what comes after would take registers from the sums. */
NOINLINE void multiply_f32(const int add, size_t n, const float *rows, size_t stride, const float *weights,
                           size_t depth, float *to, size_t to_stride)
{
    const size_t apart = STRIP < BLOCK ? depth * STRIP : UNITS;
    const int at_once = n == 1 ? GROUPS(1) : n == 2 ? GROUPS(2) : GROUPS(3);
    for (int first = 0; first < GATES; first += at_once)
        for (size_t k = 0; k < depth; k += NEAR) {
            const float *part = weights + first * apart + k * STRIP;
            const size_t end = depth - k < NEAR ? depth - k : NEAR;
            for (size_t row = 0, parts = (n + MAX_ROWS - 1) / MAX_ROWS; parts; parts--) {
                const size_t most = (n - row + parts - 1) / parts;
                const float *from = rows + row * stride + k;
                float *at = to + row * to_stride + first * UNITS;
                WITH_COUNT(most, put_product(0, count, GROUPS(count), add || k, from, stride, 1, part, STRIP, apart, end, at,
                                             to_stride))
                row += most;
            }
        }
}

#endif
