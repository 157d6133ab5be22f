/* What the layer (lstm.c) and writing (write.c) have in common: sixteen numbers at once, their squashing, products
 * whose sums stay in registers, the tiles' settings. Processors: AVX-512 F, BW, DQ, VL at least.
 */
#ifndef CHARLOOM_VECTORS_H
#define CHARLOOM_VECTORS_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t bf16;
typedef __m512 vec;

#define INLINE static inline __attribute__((always_inline))
#define BF16 __attribute__((target("avx512bf16")))
#define AMX __attribute__((target("avx512bf16,amx-tile,amx-bf16")))
enum { UNITS = 16, GATES = 4, BLOCK = UNITS * GATES, MAX_ROWS = 6, TILE_ROWS = 16, DEPTH = 32, TILE = DEPTH * 16 };
enum { FLOAT32, BF16_DOT, BF16_TILES };

INLINE vec splat(float x) { return _mm512_set1_ps(x); }

/* 2^x, |x| < 126, to a rounding: interpolated on -1/2..1/2 at Chebyshev's seven nodes (to 3e-9). NaN stays NaN. */
INLINE vec power_of_two(vec x)
{
    const vec whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const vec r = _mm512_sub_ps(x, whole);
    vec p = splat(1.5461444691e-4f);
    p = _mm512_fmadd_ps(p, r, splat(1.3400428178e-3f));
    p = _mm512_fmadd_ps(p, r, splat(9.6180566785e-3f));
    p = _mm512_fmadd_ps(p, r, splat(5.5503272267e-2f));
    p = _mm512_fmadd_ps(p, r, splat(2.4022650922e-1f));
    p = _mm512_fmadd_ps(p, r, splat(6.9314720670e-1f));
    p = _mm512_fmadd_ps(p, r, splat(1.0f));
    return _mm512_scalef_ps(p, whole);
}

/* The same to 1e-4, enough where what follows is rounded to bfloat16's eight bits: interpolated at four nodes. */
INLINE vec rough_power_of_two(vec x)
{
    const vec whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const vec r = _mm512_sub_ps(x, whole);
    vec p = splat(5.5838282946e-2f);
    p = _mm512_fmadd_ps(p, r, splat(2.4263947855e-1f));
    p = _mm512_fmadd_ps(p, r, splat(6.9313673388e-1f));
    p = _mm512_fmadd_ps(p, r, splat(9.9992455695e-1f));
    return _mm512_scalef_ps(p, whole);
}

/* 1 / (1 + 2^(scale x)). */
INLINE vec logistic(int rough, vec x, float scale)
{
    if (rough) return _mm512_rcp14_ps(_mm512_add_ps(splat(1.0f), rough_power_of_two(_mm512_mul_ps(x, splat(scale)))));
    const vec e = power_of_two(_mm512_min_ps(splat(125.0f), _mm512_mul_ps(x, splat(scale))));
    const vec d = _mm512_add_ps(splat(1.0f), e);
    const vec y = _mm512_rcp14_ps(d);
    return _mm512_mul_ps(y, _mm512_fnmadd_ps(d, y, splat(2.0f)));
}

INLINE vec sigmoid(int rough, vec x) { return logistic(rough, x, -1.44269504f); }
INLINE vec tanh_of(int rough, vec x)
{
    return _mm512_fmsub_ps(splat(2.0f), logistic(rough, x, -2.88539008f), splat(1.0f));
}

INLINE vec widen(const bf16 *from)
{
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

BF16 INLINE void narrow(bf16 *to, vec x) { _mm256_storeu_si256((void *)to, (__m256i)_mm512_cvtneps_pbh(x)); }

/* The 16 numbers of place i. */
INLINE vec get(int narrowed, const void *from, size_t i)
{
    return narrowed ? widen((const bf16 *)from + i) : _mm512_loadu_ps((const float *)from + i);
}

/* Nothing yet, in `count` rows of sums. */
INLINE void no_sums(const int count, vec sums[MAX_ROWS][GATES])
{
#pragma GCC unroll 6
    for (int r = 0; r < count; r++)
#pragma GCC unroll 4
        for (int g = 0; g < GATES; g++) sums[r][g] = _mm512_setzero_ps();
}

/* sums[r][g] += 16 columns of group g of the product of `count` rows (stride apart) with a packed group of weights,
 * (depth, 4, 16). `count` is a constant wherever this is inlined, so that sums stay in registers. */
INLINE void add_product_f32(const int count, const float *rows, size_t stride, const float *weights, size_t depth,
                            vec sums[MAX_ROWS][GATES])
{
#pragma GCC unroll 2
    for (size_t k = 0; k < depth; k++) {
        const float *w = weights + k * BLOCK;
        const vec w0 = _mm512_loadu_ps(w), w1 = _mm512_loadu_ps(w + 16), w2 = _mm512_loadu_ps(w + 32),
                  w3 = _mm512_loadu_ps(w + 48);
#pragma GCC unroll 6
        for (int r = 0; r < count; r++) {
            const vec a = splat(rows[r * stride + k]);
            sums[r][0] = _mm512_fmadd_ps(a, w0, sums[r][0]);
            sums[r][1] = _mm512_fmadd_ps(a, w1, sums[r][1]);
            sums[r][2] = _mm512_fmadd_ps(a, w2, sums[r][2]);
            sums[r][3] = _mm512_fmadd_ps(a, w3, sums[r][3]);
        }
    }
}

/* The same from nothing. */
INLINE void product_f32(const int count, const float *rows, size_t stride, const float *weights, size_t depth,
                        vec sums[MAX_ROWS][GATES])
{
    no_sums(count, sums);
    add_product_f32(count, rows, stride, weights, depth, sums);
}

/* Up to this many rows of m at once, all tiles of nearly one height. */
INLINE size_t height(size_t m, size_t most)
{
    const size_t tiles = (m + most - 1) / most;
    return (m + tiles - 1) / tiles;
}

/* Puts sums[0..count - 1] at `to`, rows `stride` apart. A loop that isn't unrolled would have kept them in memory. */
#define KEEP(count, sums, to, stride)                                                                                  \
    _Pragma("GCC unroll 6") for (int r = 0; r < count; r++)                                                            \
        _Pragma("GCC unroll 4") for (int g = 0; g < GATES; g++)                                                        \
            _mm512_storeu_ps((to) + r * (stride) + g * UNITS, sums[r][g])

/* BODY for a constant count of 1 to 6. */
#define WITH_COUNT(n, BODY)                                                                                            \
    switch (n) {                                                                                                       \
    case 1: { enum { count = 1 }; BODY; break; }                                                                       \
    case 2: { enum { count = 2 }; BODY; break; }                                                                       \
    case 3: { enum { count = 3 }; BODY; break; }                                                                       \
    case 4: { enum { count = 4 }; BODY; break; }                                                                       \
    case 5: { enum { count = 5 }; BODY; break; }                                                                       \
    default: { enum { count = 6 }; BODY; break; }                                                                      \
    }

/* Numbers below 1e-38 count as zero here: gradients that vanish would take a hundred times as long. */
enum { FLUSH = 0x8040 };

/* The settings of tiles, as the processor reads them. */
struct tile_config {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} __attribute__((aligned(64)));

/* Tiles 0 and 1 are sums of the upper rows, 2 and 3 of the lower, 4 and 5 the rows themselves, 6 and 7 weights. With no
 * lower rows, 0 to 3 are sums of the upper ones, 4 these rows. */

#endif
