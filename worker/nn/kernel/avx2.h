/* AVX2 with FMA: two registers hold sixteen numbers; 16 registers, enough for the sums of six rows by sixteen columns.
 * Every operation is IEEE 754's, so all such processors compute the same bits. The names are explained in vectors.h. */
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

/* Products in pairs, then pairs of these. */
INLINE __m256i dot(__m256i sum, __m256i fours, __m256i four)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(four, fours), _mm256_set1_epi16(1)));
}

INLINE ivec idot(ivec sum, ivec fours, int32_t four)
{
    const __m256i all = _mm256_set1_epi32(four);
    return (ivec){dot(sum.low, fours.low, all), dot(sum.high, fours.high, all)};
}

INLINE fp_mode flush_denormals(void)
{
    const fp_mode before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    return before;
}
INLINE void restore(fp_mode before) { _mm_setcsr(before); }
