/* AVX2 with FMA: two registers hold sixteen numbers; 16 registers, enough for the sums of six rows by sixteen columns. With
 * __AVXVNNI__ faster products of eight bits. Every operation is IEEE 754's, so all such processors compute the same bits.
 * The names are explained in vectors.h. */
#include <immintrin.h>

typedef struct { __m256 low, high; } vec;
#define STRIP 16
#define OUTER 1
#define NEAR 256
/* Four and more sums hide the cycles that an addition takes. */
#define GROUPS(count) ((count) == 1 ? 4 : (count) == 2 ? 2 : 1)

#define VEC_OF_1(name, operation) \
    INLINE vec name(vec a) { return (vec){operation(a.low), operation(a.high)}; }
#define VEC_OF_2(name, operation) \
    INLINE vec name(vec a, vec b) { return (vec){operation(a.low, b.low), operation(a.high, b.high)}; }
#define VEC_OF_3(name, operation) \
    INLINE vec name(vec a, vec b, vec c) { return (vec){operation(a.low, b.low, c.low), operation(a.high, b.high, c.high)}; }

INLINE __m256 nearest(__m256 x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINE __m256 one_over(__m256 x) { return _mm256_div_ps(_mm256_set1_ps(1.0f), x); }

/* 2^power is put together from its bits: below 2^-126 it would be a denormal. */
INLINE __m256 scaled(__m256 x, __m256 power)
{
    const __m256i whole = _mm256_cvtps_epi32(_mm256_max_ps(power, _mm256_set1_ps(-126.0f)));
    const __m256i bits = _mm256_slli_epi32(_mm256_add_epi32(whole, _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(x, _mm256_castsi256_ps(bits));
}

VEC_OF_1(vround, nearest)
VEC_OF_1(vreciprocal, one_over)
VEC_OF_2(vadd, _mm256_add_ps)
VEC_OF_2(vsub, _mm256_sub_ps)
VEC_OF_2(vmul, _mm256_mul_ps)
VEC_OF_2(vmin, _mm256_min_ps)
VEC_OF_2(vmax, _mm256_max_ps)
VEC_OF_2(vscale, scaled)
VEC_OF_3(vfma, _mm256_fmadd_ps)
VEC_OF_3(vfms, _mm256_fmsub_ps)
VEC_OF_3(vfnma, _mm256_fnmadd_ps)

INLINE vec vsplat(float x) { return (vec){_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
INLINE vec vload(const float *from) { return (vec){_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }

INLINE void vstore(float *to, vec x)
{
    _mm256_storeu_ps(to, x.low);
    _mm256_storeu_ps(to + 8, x.high);
}

INLINE void vstream(float *to, vec x)
{
    _mm256_stream_ps(to, x.low);
    _mm256_stream_ps(to + 8, x.high);
}

typedef struct { __m256i low, high; } ivec;

INLINE vec ifloat(ivec x) { return (vec){_mm256_cvtepi32_ps(x.low), _mm256_cvtepi32_ps(x.high)}; }

INLINE ivec iload(const void *from)
{
    return (ivec){_mm256_loadu_si256(from), _mm256_loadu_si256((const __m256i *)from + 1)};
}

#define EIGHT_BITS 1
/* AVX-512's VNNI has the same instruction, by which tests compute what AVX-VNNI would. */
#if defined(__AVXVNNI__) || defined(__AVX512VNNI__)
#define LIFT 128
#define LIFTED 127
#define EIGHT_ROWS 6
INLINE __m256i dot(__m256i sum, __m256i lifted, __m256i fours) { return _mm256_dpbusd_epi32(sum, lifted, fours); }
#else
#define LIFT 64
#define LIFTED 63
#define EIGHT_ROWS 4
/* Products in pairs, then pairs of these. */
INLINE __m256i dot(__m256i sum, __m256i lifted, __m256i fours)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(lifted, fours), _mm256_set1_epi16(1)));
}
#endif

INLINE ivec qdot(ivec sum, ivec lifted, ivec fours)
{
    return (ivec){dot(sum.low, lifted.low, fours.low), dot(sum.high, lifted.high, fours.high)};
}

INLINE ivec isplat(int32_t x) { return (ivec){_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
INLINE ivec iadd(ivec a, ivec b) { return (ivec){_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)}; }
INLINE ivec iand(ivec a, ivec b) { return (ivec){_mm256_and_si256(a.low, b.low), _mm256_and_si256(a.high, b.high)}; }
INLINE ivec ior(ivec a, ivec b) { return (ivec){_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)}; }
INLINE ivec ishift(ivec x, int bits) { return (ivec){_mm256_slli_epi32(x.low, bits), _mm256_slli_epi32(x.high, bits)}; }
INLINE ivec iround(vec x) { return (ivec){_mm256_cvtps_epi32(x.low), _mm256_cvtps_epi32(x.high)}; }

INLINE void istore(void *to, ivec x)
{
    _mm256_storeu_si256(to, x.low);
    _mm256_storeu_si256((__m256i *)to + 1, x.high);
}

/* Halves of two registers are packed apart, so the middle parts change places. */
INLINE void bstore(void *to, ivec x)
{
    const ivec low = iand(x, isplat(255));
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(low.low, low.high), 0xD8);
    _mm_storeu_si128(to, _mm_packus_epi16(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1)));
}

INLINE fp_mode flush_denormals(void)
{
    const fp_mode before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    return before;
}
INLINE void restore(fp_mode before) { _mm_setcsr(before); }
