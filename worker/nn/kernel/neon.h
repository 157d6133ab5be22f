/* NEON, which every 64-bit ARM processor has: four registers hold sixteen numbers; 32 registers, enough for the sums of six
 * rows by sixteen columns. Every operation is IEEE 754's, so the bits are those of avx2.h but for numbers below 1e-38, which
 * these processors count as zero before they are rounded, not after. The names are explained in vectors.h. */
#include <arm_neon.h>

typedef struct { float32x4_t a, b, c, d; } vec;
#define STRIP 16
#define OUTER 1
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

/* 2^power is put together from its bits: below 2^-126 it would be a denormal. */
INLINE float32x4_t scaled(float32x4_t x, float32x4_t power)
{
    const int32x4_t whole = vcvtnq_s32_f32(larger(power, vdupq_n_f32(-126.0f)));
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

INLINE ivec izero(void)
{
    const int32x4_t zero = vdupq_n_s32(0);
    return (ivec){zero, zero, zero, zero};
}

INLINE vec ifloat(ivec x)
{
    return (vec){vcvtq_f32_s32(x.a), vcvtq_f32_s32(x.b), vcvtq_f32_s32(x.c), vcvtq_f32_s32(x.d)};
}

INLINE ivec ipairs(const int8_t *from)
{
    const int8x16_t low = vld1q_s8(from), high = vld1q_s8(from + 16);
    return (ivec){vreinterpretq_s32_s16(vmovl_s8(vget_low_s8(low))), vreinterpretq_s32_s16(vmovl_high_s8(low)),
                  vreinterpretq_s32_s16(vmovl_s8(vget_low_s8(high))), vreinterpretq_s32_s16(vmovl_high_s8(high))};
}

INLINE int32x4_t dot(int32x4_t sum, int32x4_t pairs, int16x8_t both)
{
    const int16x8_t numbers = vreinterpretq_s16_s32(pairs);
    const int32x4_t low = vmull_s16(vget_low_s16(numbers), vget_low_s16(both)), high = vmull_high_s16(numbers, both);
    return vaddq_s32(sum, vpaddq_s32(low, high));
}

INLINE ivec idot(ivec sum, ivec pairs, int32_t pair)
{
    const int16x8_t both = vreinterpretq_s16_s32(vdupq_n_s32(pair));
    return (ivec){dot(sum.a, pairs.a, both), dot(sum.b, pairs.b, both), dot(sum.c, pairs.c, both),
                  dot(sum.d, pairs.d, both)};
}

INLINE fp_mode flush_denormals(void)
{
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | 1 << 24));
    return before;
}
INLINE void restore(fp_mode before) { __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)before)); }
