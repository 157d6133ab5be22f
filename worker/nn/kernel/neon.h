/* NEON, which every 64-bit ARM processor has: four registers hold sixteen numbers; 32 registers, enough for the sums of six
 * rows by sixteen columns. Every operation is IEEE 754's, so the bits are those of avx2.h but for numbers below 1e-38, which
 * these processors count as zero before they are rounded, not after. With the extension BF16, products of bfloat16 pairs as
 * well (BFDOT); with dot products, fast ones of eight bits (SDOT). The names are explained in vectors.h. */
#include <arm_neon.h>

#ifdef __ARM_FEATURE_BF16_VECTOR_ARITHMETIC
#define BFLOAT16 1
#endif

typedef struct { float32x4_t a, b, c, d; } vec;
#define STRIP 16
#define OUTER 1
#define NEAR 256
/* Four and more sums hide the cycles that an addition takes. */
#define GROUPS(count) ((count) == 1 ? 4 : (count) == 2 ? 2 : 1)

#define VEC_OF_1(name, operation)                                                                                      \
    INLINE vec name(vec a) { return (vec){operation(a.a), operation(a.b), operation(a.c), operation(a.d)}; }
#define VEC_OF_2(name, operation)                                                                                      \
    INLINE vec name(vec a, vec b)                                                                                      \
    {                                                                                                                  \
        return (vec){operation(a.a, b.a), operation(a.b, b.b), operation(a.c, b.c), operation(a.d, b.d)};              \
    }
#define VEC_OF_3(name, operation)                                                                                      \
    INLINE vec name(vec a, vec b, vec c)                                                                               \
    {                                                                                                                  \
        return (vec){operation(a.a, b.a, c.a), operation(a.b, b.b, c.b), operation(a.c, b.c, c.c),                     \
                     operation(a.d, b.d, c.d)};                                                                        \
    }

INLINE float32x4_t one_over(float32x4_t x) { return vdivq_f32(vdupq_n_f32(1.0f), x); }
/* NEON's own smallest and largest of a number and NaN is NaN. */
INLINE float32x4_t smaller(float32x4_t a, float32x4_t b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
INLINE float32x4_t larger(float32x4_t a, float32x4_t b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
INLINE float32x4_t plus_product(float32x4_t a, float32x4_t b, float32x4_t c) { return vfmaq_f32(c, a, b); }
INLINE float32x4_t product_minus(float32x4_t a, float32x4_t b, float32x4_t c) { return vfmaq_f32(vnegq_f32(c), a, b); }
INLINE float32x4_t minus_product(float32x4_t a, float32x4_t b, float32x4_t c) { return vfmsq_f32(c, a, b); }

/* 2^power is put together from its bits: below 2^-126 it would be a denormal, above 2^127 no number. */
INLINE float32x4_t scaled(float32x4_t x, float32x4_t power)
{
    const int32x4_t whole = vcvtnq_s32_f32(smaller(vdupq_n_f32(127.0f), larger(vdupq_n_f32(-126.0f), power)));
    return vmulq_f32(x, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(whole, vdupq_n_s32(127)), 23)));
}

VEC_OF_1(vround, vrndnq_f32)
VEC_OF_1(vreciprocal, one_over)
VEC_OF_2(vadd, vaddq_f32)
VEC_OF_2(vsub, vsubq_f32)
VEC_OF_2(vmul, vmulq_f32)
VEC_OF_2(vmin, smaller)
VEC_OF_2(vmax, larger)
VEC_OF_2(vscale, scaled)
VEC_OF_3(vfma, plus_product)
VEC_OF_3(vfms, product_minus)
VEC_OF_3(vfnma, minus_product)

INLINE vec vsplat(float x)
{
    const float32x4_t all = vdupq_n_f32(x);
    return (vec){all, all, all, all};
}

INLINE vec vload(const float *from)
{
    return (vec){vld1q_f32(from), vld1q_f32(from + 4), vld1q_f32(from + 8), vld1q_f32(from + 12)};
}

INLINE void vstore(float *to, vec x)
{
    vst1q_f32(to, x.a);
    vst1q_f32(to + 4, x.b);
    vst1q_f32(to + 8, x.c);
    vst1q_f32(to + 12, x.d);
}

INLINE void vstream(float *to, vec x) { vstore(to, x); }

typedef struct { int32x4_t a, b, c, d; } ivec;

INLINE vec ifloat(ivec x)
{
    return (vec){vcvtq_f32_s32(x.a), vcvtq_f32_s32(x.b), vcvtq_f32_s32(x.c), vcvtq_f32_s32(x.d)};
}

INLINE ivec iload(const void *from)
{
    const int32_t *fours = from;
    return (ivec){vld1q_s32(fours), vld1q_s32(fours + 4), vld1q_s32(fours + 8), vld1q_s32(fours + 12)};
}

#ifdef __ARM_FEATURE_DOTPROD
#define EIGHT_BITS 1
/* Both factors have signs. */
#define LIFT 0
#define LIFTED 127
#define EIGHT_ROWS 6
INLINE int32x4_t dot(int32x4_t sum, int8x16_t lifted, int8x16_t fours) { return vdotq_s32(sum, lifted, fours); }
#else
/* Products in pairs, then pairs of these. */
INLINE int32x4_t dot(int32x4_t sum, int8x16_t lifted, int8x16_t fours)
{
    const int16x8_t low = vmull_s8(vget_low_s8(lifted), vget_low_s8(fours)), high = vmull_high_s8(lifted, fours);
    return vpadalq_s16(sum, vpaddq_s16(low, high));
}
#endif

INLINE int32x4_t dot_of(int32x4_t sum, int32x4_t lifted, int32x4_t fours)
{
    return dot(sum, vreinterpretq_s8_s32(lifted), vreinterpretq_s8_s32(fours));
}

#define IVEC_OF_2(name, operation)                                                                                     \
    INLINE ivec name(ivec a, ivec b)                                                                                   \
    {                                                                                                                  \
        return (ivec){operation(a.a, b.a), operation(a.b, b.b), operation(a.c, b.c), operation(a.d, b.d)};             \
    }
IVEC_OF_2(iadd, vaddq_s32)
IVEC_OF_2(iand, vandq_s32)
IVEC_OF_2(ior, vorrq_s32)

INLINE ivec qdot(ivec sum, ivec lifted, ivec fours)
{
    return (ivec){dot_of(sum.a, lifted.a, fours.a), dot_of(sum.b, lifted.b, fours.b), dot_of(sum.c, lifted.c, fours.c),
                  dot_of(sum.d, lifted.d, fours.d)};
}

INLINE ivec isplat(int32_t x)
{
    const int32x4_t all = vdupq_n_s32(x);
    return (ivec){all, all, all, all};
}

INLINE ivec ishift(ivec x, int bits)
{
    const int32x4_t by = vdupq_n_s32(bits);
    return (ivec){vshlq_s32(x.a, by), vshlq_s32(x.b, by), vshlq_s32(x.c, by), vshlq_s32(x.d, by)};
}

INLINE ivec iround(vec x)
{
    return (ivec){vcvtnq_s32_f32(x.a), vcvtnq_s32_f32(x.b), vcvtnq_s32_f32(x.c), vcvtnq_s32_f32(x.d)};
}

INLINE void istore(void *to, ivec x)
{
    int32_t *numbers = to;
    vst1q_s32(numbers, x.a);
    vst1q_s32(numbers + 4, x.b);
    vst1q_s32(numbers + 8, x.c);
    vst1q_s32(numbers + 12, x.d);
}

INLINE void bstore(void *to, ivec x)
{
    const int16x8_t low = vmovn_high_s32(vmovn_s32(x.a), x.b), high = vmovn_high_s32(vmovn_s32(x.c), x.d);
    vst1q_s8(to, vmovn_high_s16(vmovn_s16(low), high));
}

#if BFLOAT16
INLINE float32x4_t widened(uint16x4_t x) { return vreinterpretq_f32_u32(vshll_n_u16(x, 16)); }

INLINE vec vwiden(const bf16 *from)
{
    const uint16x8_t low = vld1q_u16(from), high = vld1q_u16(from + 8);
    return (vec){widened(vget_low_u16(low)), widened(vget_high_u16(low)), widened(vget_low_u16(high)),
                 widened(vget_high_u16(high))};
}

INLINE uint16x8_t narrowed(float32x4_t low, float32x4_t high)
{
    return vreinterpretq_u16_bf16(vcvtq_high_bf16_f32(vcvtq_low_bf16_f32(low), high));
}

INLINE void vnarrow(bf16 *to, vec x)
{
    vst1q_u16(to, narrowed(x.a, x.b));
    vst1q_u16(to + 8, narrowed(x.c, x.d));
}

INLINE void vnarrow_past(bf16 *to, vec x) { vnarrow(to, x); }

/* An estimate of eight bits and one step of Newton's. */
INLINE float32x4_t about_one_over(float32x4_t x)
{
    const float32x4_t y = vrecpeq_f32(x);
    return vmulq_f32(y, vrecpsq_f32(x, y));
}

VEC_OF_1(vestimate_reciprocal, about_one_over)

typedef struct { bfloat16x8_t a, b, c, d; } pairs;

INLINE bfloat16x8_t four_pairs(const bf16 *from) { return vreinterpretq_bf16_u16(vld1q_u16(from)); }

INLINE pairs pload(const bf16 *from)
{
    return (pairs){four_pairs(from), four_pairs(from + 8), four_pairs(from + 16), four_pairs(from + 24)};
}

INLINE void pstore(bf16 *to, vec first, vec second)
{
    const uint16x8_t low = narrowed(first.a, first.b), high = narrowed(first.c, first.d);
    const uint16x8_t low_2 = narrowed(second.a, second.b), high_2 = narrowed(second.c, second.d);
    vst1q_u16(to, vzip1q_u16(low, low_2));
    vst1q_u16(to + 8, vzip2q_u16(low, low_2));
    vst1q_u16(to + 16, vzip1q_u16(high, high_2));
    vst1q_u16(to + 24, vzip2q_u16(high, high_2));
}

INLINE vec pdot(vec sum, pairs both, int32_t pair)
{
    const bfloat16x8_t all = vreinterpretq_bf16_s32(vdupq_n_s32(pair));
    return (vec){vbfdotq_f32(sum.a, both.a, all), vbfdotq_f32(sum.b, both.b, all), vbfdotq_f32(sum.c, both.c, all),
                 vbfdotq_f32(sum.d, both.d, all)};
}
#endif

INLINE fp_mode flush_denormals(void)
{
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | 1 << 24));
    return before;
}
INLINE void restore(fp_mode before) { __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)before)); }
