/* AVX-512 F, BW, DQ and VL: one register holds sixteen numbers; 32 registers. With __AVX512BF16__ products of bfloat16
 * pairs as well, with __AVX512VNNI__ faster ones of eight bits, with __AMX_BF16__ tiles. The names are explained in
 * vectors.h. */
#include <immintrin.h>

typedef __m512 vec;
#define STRIP 64
#define OUTER 4
#define NEAR 1024
#define GROUPS(count) 4
#ifdef __AVX512BF16__
#define BFLOAT16 1
#endif

INLINE vec vsplat(float x) { return _mm512_set1_ps(x); }
INLINE vec vload(const float *from) { return _mm512_loadu_ps(from); }
INLINE void vstore(float *to, vec x) { _mm512_storeu_ps(to, x); }
INLINE void vstream(float *to, vec x) { _mm512_stream_ps(to, x); }
INLINE vec vadd(vec a, vec b) { return _mm512_add_ps(a, b); }
INLINE vec vsub(vec a, vec b) { return _mm512_sub_ps(a, b); }
INLINE vec vmul(vec a, vec b) { return _mm512_mul_ps(a, b); }
INLINE vec vmin(vec a, vec b) { return _mm512_min_ps(a, b); }
INLINE vec vmax(vec a, vec b) { return _mm512_max_ps(a, b); }
INLINE vec vfma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
INLINE vec vfms(vec a, vec b, vec c) { return _mm512_fmsub_ps(a, b, c); }
INLINE vec vfnma(vec a, vec b, vec c) { return _mm512_fnmadd_ps(a, b, c); }
INLINE vec vscale(vec x, vec power) { return _mm512_scalef_ps(x, power); }

#if BFLOAT16
INLINE vec vwiden(const bf16 *from)
{
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

INLINE __m256i narrowed(vec x) { return (__m256i)_mm512_cvtneps_pbh(x); }
INLINE void vnarrow(bf16 *to, vec x) { _mm256_storeu_si256((void *)to, narrowed(x)); }
INLINE void vnarrow_past(bf16 *to, vec x) { _mm256_stream_si256((void *)to, narrowed(x)); }
INLINE vec vestimate_reciprocal(vec x) { return _mm512_rcp14_ps(x); }

typedef __m512i pairs;

INLINE pairs pload(const bf16 *from) { return _mm512_loadu_si512(from); }

INLINE void pstore(bf16 *to, vec first, vec second)
{
    const __m512i low = _mm512_cvtepu16_epi32(narrowed(first)), high = _mm512_cvtepu16_epi32(narrowed(second));
    _mm512_storeu_si512(to, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
}

INLINE vec pdot(vec sum, pairs both, int32_t pair)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)both);
}
#endif

INLINE vec vround(vec x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

/* An estimate of 14 bits and one step of Newton's. */
INLINE vec vreciprocal(vec x)
{
    const vec y = _mm512_rcp14_ps(x);
    return _mm512_mul_ps(y, _mm512_fnmadd_ps(x, y, vsplat(2.0f)));
}

typedef __m512i ivec;

INLINE vec ifloat(ivec x) { return _mm512_cvtepi32_ps(x); }
INLINE ivec iload(const void *from) { return _mm512_loadu_si512(from); }

INLINE ivec isplat(int32_t x) { return _mm512_set1_epi32(x); }

#define EIGHT_BITS 1
#define EIGHT_ROWS 6
#ifdef __AVX512VNNI__
#define LIFT 128
#define LIFTED 127
INLINE ivec qdot(ivec sum, ivec lifted, ivec fours) { return _mm512_dpbusd_epi32(sum, lifted, fours); }
#else
#define LIFT 64
#define LIFTED 63
/* Products in pairs, then pairs of these. */
INLINE ivec qdot(ivec sum, ivec lifted, ivec fours)
{
    return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(lifted, fours), isplat(0x10001)));
}
#endif

INLINE ivec iadd(ivec a, ivec b) { return _mm512_add_epi32(a, b); }
INLINE ivec iand(ivec a, ivec b) { return _mm512_and_si512(a, b); }
INLINE ivec ior(ivec a, ivec b) { return _mm512_or_si512(a, b); }
INLINE ivec ishift(ivec x, int bits) { return _mm512_slli_epi32(x, bits); }
INLINE ivec iround(vec x) { return _mm512_cvtps_epi32(x); }
INLINE void istore(void *to, ivec x) { _mm512_storeu_si512(to, x); }
INLINE void bstore(void *to, ivec x) { _mm_storeu_si128(to, _mm512_cvtepi32_epi8(x)); }

INLINE fp_mode flush_denormals(void)
{
    const fp_mode before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    return before;
}
INLINE void restore(fp_mode before) { _mm_setcsr(before); }
