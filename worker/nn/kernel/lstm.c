/* One LSTM layer over a batch of sequences, forward and backward, gates fused into the products.
 *
 * Hochreiter and Schmidhuber, "Long short-term memory" (1997), with the forget gate of Gers et al. (2000), as
 * torch.nn.LSTM computes it. Every thread takes rows of the batch through all positions, so no thread waits for another
 * before the end, and a row's results don't depend on how many there are.
 *
 * Shapes: T positions, B rows, H units (a multiple of 32), G = 4 H gate sums. G stands in blocks of 16 units, in each
 * block the gates input, forget, cell, output of these 16. Weights are packed so that a block's are read in a row.
 *
 * Kinds: 0 float32; 1 bfloat16 products by AVX-512 BF16; 2 bfloat16 products by AMX. In the latter two h, gates and the
 * gradients of gate sums are kept in bfloat16; c, sums and what is summed over positions in float32.
 *
 * Processors: AVX-512 F, BW, DQ, VL at least. Callers look (worker/nn/kernel/__init__.py); nothing here does.
 */
#include "vectors.h"

#include <omp.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What both directions share. Pointers are to contiguous arrays. */
struct sequence {
    int64_t kind, positions, rows, units, threads;
    const void *weights;     /* packed, forward or backward */
    const void *inputs;      /* (n, G) float32, or bfloat16 where inputs_bf16: what enters the gate sums */
    const int32_t *index;    /* (T, B) row of inputs at each place, or NULL: place t B + b itself */
    int64_t inputs_bf16;
    void *h;                 /* (T + 1, B, H) float32 or bfloat16; the first is given */
    float *c;                /* (T + 1, B, H), or (B, H) where gates is NULL; the first is given */
    void *gates;             /* (T, B, stride), or NULL: no backward pass follows. That one puts gradients there */
    int64_t stride;          /* numbers from one row of gates to the next: more than G, lest rows share cache sets */
    const void *out_grads;   /* (T, B, H) as h, or NULL: of h after each position */
    const float *last_grads; /* (B, H), or NULL: of h after the last position */
    float *table_grads;      /* (threads, n, G) zeros, or NULL: of inputs, summed by index, for each thread apart */
    int64_t table_rows;      /* n */
    float *weight_grads;     /* (threads, G, H) zeros, or NULL: for each thread apart, of its rows; float32 only */
};

BF16 INLINE void past_bf16(void *to, size_t i, vec x)
{
    _mm256_stream_si256((void *)((bf16 *)to + i), (__m256i)_mm512_cvtneps_pbh(x));
}
BF16 INLINE void put_bf16(void *to, size_t i, vec x) { narrow((bf16 *)to + i, x); }
/* Past the caches: it is read again only after everything else has been. */
INLINE void past_f32(void *to, size_t i, vec x) { _mm512_stream_ps((float *)to + i, x); }
INLINE void put_f32(void *to, size_t i, vec x) { _mm512_storeu_ps((float *)to + i, x); }

/* Where row `row`, block `block` of position t finds what enters its gate sums. */
INLINE size_t input_place(const struct sequence *s, size_t t, size_t row, size_t block)
{
    const size_t place = t * s->rows + row;
    return (s->index ? (size_t)s->index[place] : place) * GATES * s->units + block * BLOCK;
}

/* From four gate sums of 16 units, `stride` apart: squash them, move c on, return h. PUT stores as the kind does. */
#define CELL(ROUGH, PUT, PAST)                                                                                         \
    do {                                                                                                               \
        const size_t unit = row * s->units + block * UNITS, cells = s->rows * s->units;                                \
        const size_t in = input_place(s, t, row, block);                                                               \
        vec x[GATES];                                                                                                  \
        for (int gate = 0; gate < GATES; gate++)                                                                       \
            x[gate] = _mm512_add_ps(_mm512_loadu_ps(sums + gate * stride),                                             \
                                    get(s->inputs_bf16, s->inputs, in + gate * UNITS));                                \
        const vec i = sigmoid(ROUGH, x[0]), f = sigmoid(ROUGH, x[1]), g = tanh_of(ROUGH, x[2]);                        \
        const vec o = sigmoid(ROUGH, x[3]);                                                                            \
        const size_t before = s->gates ? t * cells + unit : unit, after = s->gates ? before + cells : unit;            \
        const vec c = _mm512_fmadd_ps(f, _mm512_loadu_ps(s->c + before), _mm512_mul_ps(i, g));                         \
        _mm512_storeu_ps(s->c + after, c);                                                                             \
        PUT(s->h, (t + 1) * cells + unit, _mm512_mul_ps(o, tanh_of(ROUGH, c)));                                        \
        if (s->gates) {                                                                                                \
            const size_t at = (t * s->rows + row) * s->stride + block * BLOCK;                                         \
            PAST(s->gates, at, i);                                                                                     \
            PAST(s->gates, at + UNITS, f);                                                                             \
            PAST(s->gates, at + 2 * UNITS, g);                                                                         \
            PAST(s->gates, at + 3 * UNITS, o);                                                                         \
        }                                                                                                              \
    } while (0)

INLINE void cell_f32(const struct sequence *s, size_t t, size_t row, size_t block, const float *sums, size_t stride)
{
    CELL(0, put_f32, past_f32);
}

BF16 INLINE void cell_bf16(const struct sequence *s, size_t t, size_t row, size_t block, const float *sums,
                           size_t stride)
{
    CELL(1, put_bf16, past_bf16);
}

/* The same with pairs of bfloat16: weights (depth / 32, 4, 16, 16, 2), the tiles of AMX: 16 pairs by 16 columns. */
BF16 INLINE void product_bf16(const int count, const bf16 *rows, size_t stride, const bf16 *weights, size_t depth,
                              vec sums[MAX_ROWS][GATES])
{
#pragma GCC unroll 6
    for (int r = 0; r < count; r++)
#pragma GCC unroll 4
        for (int g = 0; g < GATES; g++) sums[r][g] = _mm512_setzero_ps();
#pragma GCC unroll 2
    for (size_t k = 0; k < depth; k += 2) {
        const bf16 *w = weights + k / DEPTH * DEPTH * BLOCK + k % DEPTH * 16;
        const __m512bh w0 = (__m512bh)_mm512_loadu_ps(w), w1 = (__m512bh)_mm512_loadu_ps(w + TILE),
                       w2 = (__m512bh)_mm512_loadu_ps(w + 2 * TILE), w3 = (__m512bh)_mm512_loadu_ps(w + 3 * TILE);
#pragma GCC unroll 6
        for (int r = 0; r < count; r++) {
            int32_t pair;
            memcpy(&pair, rows + r * stride + k, sizeof pair);
            const __m512bh a = (__m512bh)_mm512_set1_epi32(pair);
            sums[r][0] = _mm512_dpbf16_ps(sums[r][0], a, w0);
            sums[r][1] = _mm512_dpbf16_ps(sums[r][1], a, w1);
            sums[r][2] = _mm512_dpbf16_ps(sums[r][2], a, w2);
            sums[r][3] = _mm512_dpbf16_ps(sums[r][3], a, w3);
        }
    }
}

/* The cells of n rows from `first` on. Functions of their own: inlined, their constants would take registers from the
 * sums of the product before them. */
static __attribute__((noinline)) void cells_f32(const struct sequence *s, size_t t, size_t first, size_t n,
                                                size_t block, const float *sums)
{
    for (size_t r = 0; r < n; r++) cell_f32(s, t, first + r, block, sums + r * BLOCK, UNITS);
}

BF16 static __attribute__((noinline)) void cells_bf16(const struct sequence *s, size_t t, size_t first, size_t n,
                                                      size_t block, const float *sums)
{
    for (size_t r = 0; r < n; r++) cell_bf16(s, t, first + r, block, sums + r * BLOCK, UNITS);
}

#define FORWARD_STEP(TYPE, PRODUCT, CELLS_OF)                                                                          \
    do {                                                                                                               \
        const size_t units = s->units, step = height(to - from, MAX_ROWS);                                            \
        const TYPE *h = (const TYPE *)s->h + t * s->rows * units;                                                      \
        for (size_t block = 0; block < units / UNITS; block++) {                                                       \
            const TYPE *w = (const TYPE *)s->weights + block * BLOCK * units;                                          \
            for (size_t first = from; first < to; first += step) {                                                     \
                vec sums[MAX_ROWS][GATES];                                                                            \
                float kept[MAX_ROWS * BLOCK] __attribute__((aligned(64)));                                            \
                const size_t n = to - first < step ? to - first : step;                                                \
                WITH_COUNT(n, {                                                                                        \
                    PRODUCT(count, h + first * units, units, w, units, sums);                                          \
                    KEEP(count, sums, kept, BLOCK);                                                                    \
                })                                                                                                     \
                CELLS_OF(s, t, first, n, block, kept);                                                                 \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

static void forward_f32(const struct sequence *s, size_t t, size_t from, size_t to)
{
    FORWARD_STEP(float, product_f32, cells_f32);
}

BF16 static void forward_bf16(const struct sequence *s, size_t t, size_t from, size_t to)
{
    FORWARD_STEP(bf16, product_bf16, cells_bf16);
}

AMX static void use_tiles(size_t upper, size_t lower)
{
    const size_t second = lower ? lower : upper, rows[8] = {upper, upper, second, second, upper, second, 16, 16};
    struct tile_config config = {.palette = 1};
    for (int tile = 0; tile < 8; tile++) {
        config.bytes[tile] = 64;
        config.rows[tile] = (uint8_t)rows[tile];
    }
    /* gcc takes the next line to read eight bytes of it, and might leave out the others. */
    __asm__ volatile("" : : "m"(config));
    _tile_loadconfig(&config);
}

/* The product of up to 16 rows with a packed group: four times 16 columns, `apart` numbers from one to the next. */
AMX INLINE void product_tiles(const bf16 *rows, size_t stride, const bf16 *weights, size_t depth, float *to,
                              size_t apart, size_t to_stride)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t k = 0; k < depth; k += DEPTH) {
        const bf16 *w = weights + k * BLOCK;
        _tile_loadd(4, rows + k, stride * sizeof(bf16));
        _tile_loadd(6, w, 64);
        _tile_loadd(7, w + TILE, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(6, w + 2 * TILE, 64);
        _tile_loadd(7, w + 3 * TILE, 64);
        _tile_dpbf16ps(2, 4, 6);
        _tile_dpbf16ps(3, 4, 7);
    }
    _tile_stored(0, to, to_stride * sizeof(float));
    _tile_stored(1, to + apart, to_stride * sizeof(float));
    _tile_stored(2, to + 2 * apart, to_stride * sizeof(float));
    _tile_stored(3, to + 3 * apart, to_stride * sizeof(float));
}

/* The same for up to 32 rows, the lower ones from `below` on: each tile of weights is loaded once for both. */
AMX INLINE void product_tiles_twice(const bf16 *rows, size_t below, size_t stride, const bf16 *weights, size_t depth,
                                    float *to, size_t apart, size_t to_stride)
{
    for (int pair = 0; pair < 2; pair++) {
        float *at = to + pair * 2 * apart;
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        for (size_t k = 0; k < depth; k += DEPTH) {
            const bf16 *w = weights + k * BLOCK + pair * 2 * TILE;
            _tile_loadd(4, rows + k, stride * sizeof(bf16));
            _tile_loadd(6, w, 64);
            _tile_loadd(7, w + TILE, 64);
            _tile_loadd(5, rows + below * stride + k, stride * sizeof(bf16));
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
        _tile_stored(0, at, to_stride * sizeof(float));
        _tile_stored(1, at + apart, to_stride * sizeof(float));
        _tile_stored(2, at + below * to_stride, to_stride * sizeof(float));
        _tile_stored(3, at + below * to_stride + apart, to_stride * sizeof(float));
    }
}

/* Whichever fits n rows; *set is the n that the tiles were last set for. */
AMX INLINE void product_of(size_t n, size_t *set, const bf16 *rows, size_t stride, const bf16 *weights, size_t depth,
                           float *to, size_t apart, size_t to_stride)
{
    const size_t upper = n > TILE_ROWS ? (n + 1) / 2 : n;
    if (n != *set) use_tiles(upper, n - upper);
    *set = n;
    if (n > upper) product_tiles_twice(rows, upper, stride, weights, depth, to, apart, to_stride);
    else product_tiles(rows, stride, weights, depth, to, apart, to_stride);
}

AMX static void forward_tiles(const struct sequence *s, size_t t, size_t from, size_t to)
{
    float scratch[GATES][2 * TILE_ROWS][16] __attribute__((aligned(64)));
    const size_t units = s->units, step = height(to - from, 2 * TILE_ROWS);
    const bf16 *h = (const bf16 *)s->h + t * s->rows * units;
    size_t set = 0;
    for (size_t block = 0; block < units / UNITS; block++) {
        const bf16 *w = (const bf16 *)s->weights + block * BLOCK * units;
        for (size_t first = from; first < to; first += step) {
            const size_t n = to - first < step ? to - first : step;
            product_of(n, &set, h + first * units, units, w, units, scratch[0][0], 2 * TILE_ROWS * 16, 16);
            for (size_t r = 0; r < n; r++) cell_bf16(s, t, first + r, block, scratch[0][r], 2 * TILE_ROWS * 16);
        }
    }
}

/* From the gradient of h after position t, dh, and of c after it: put those of the gate sums where the gates stood. */
#define CELL_BACK(NARROWED, PUT)                                                                                       \
    do {                                                                                                               \
        const size_t units = s->units, cells = s->rows * units;                                                        \
        const vec one = splat(1.0f);                                                                                   \
        for (size_t row = from; row < to; row++) {                                                                     \
            const size_t place = t * s->rows + row;                                                                    \
            float *sum = s->table_grads ? table + (size_t)s->index[place] * GATES * units : NULL;                      \
            for (size_t block = 0; block < units / UNITS; block++) {                                                   \
                const size_t unit = row * units + block * UNITS, at = place * s->stride + block * BLOCK;               \
                vec dh = _mm512_loadu_ps(dhs + row * padded + block * UNITS);                                          \
                if (s->out_grads) dh = _mm512_add_ps(dh, get(NARROWED, s->out_grads, t * cells + unit));               \
                const vec i = get(NARROWED, s->gates, at), f = get(NARROWED, s->gates, at + UNITS);                    \
                const vec g = get(NARROWED, s->gates, at + 2 * UNITS), o = get(NARROWED, s->gates, at + 3 * UNITS);    \
                const vec before = _mm512_loadu_ps(s->c + t * cells + unit);                                           \
                const vec squashed = tanh_of(NARROWED, _mm512_loadu_ps(s->c + (t + 1) * cells + unit));                \
                const vec dho = _mm512_mul_ps(dh, o);                                                                  \
                const vec kept = _mm512_fnmadd_ps(squashed, squashed, one);                                            \
                const vec dc = _mm512_fmadd_ps(dho, kept, _mm512_loadu_ps(dcs + unit));                                \
                _mm512_storeu_ps(dcs + unit, _mm512_mul_ps(dc, f));                                                    \
                const vec dci = _mm512_mul_ps(dc, i);                                                                  \
                const vec di = _mm512_mul_ps(_mm512_mul_ps(dci, g), _mm512_sub_ps(one, i));                            \
                const vec df = _mm512_mul_ps(_mm512_mul_ps(_mm512_mul_ps(dc, f), before), _mm512_sub_ps(one, f));      \
                const vec dg = _mm512_mul_ps(dci, _mm512_fnmadd_ps(g, g, one));                                        \
                const vec d_o = _mm512_mul_ps(_mm512_mul_ps(dho, squashed), _mm512_sub_ps(one, o));                    \
                PUT(s->gates, at, di);                                                                                 \
                PUT(s->gates, at + UNITS, df);                                                                         \
                PUT(s->gates, at + 2 * UNITS, dg);                                                                     \
                PUT(s->gates, at + 3 * UNITS, d_o);                                                                    \
                if (sum) {                                                                                             \
                    float *to_sum = sum + block * BLOCK;                                                               \
                    put_f32(to_sum, 0, _mm512_add_ps(_mm512_loadu_ps(to_sum), di));                                    \
                    put_f32(to_sum, 16, _mm512_add_ps(_mm512_loadu_ps(to_sum + 16), df));                              \
                    put_f32(to_sum, 32, _mm512_add_ps(_mm512_loadu_ps(to_sum + 32), dg));                              \
                    put_f32(to_sum, 48, _mm512_add_ps(_mm512_loadu_ps(to_sum + 48), d_o));                             \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

static void cells_back_f32(const struct sequence *s, size_t t, size_t from, size_t to, float *dhs, size_t padded,
                           float *dcs, float *table)
{
    CELL_BACK(0, put_f32);
}

BF16 static void cells_back_bf16(const struct sequence *s, size_t t, size_t from, size_t to, float *dhs, size_t padded,
                                 float *dcs, float *table)
{
    CELL_BACK(1, put_bf16);
}

/* dhs = gradients of the gate sums of position t times the weights: of h before that position. */
#define BACKWARD_STEP(TYPE, PRODUCT)                                                                                   \
    do {                                                                                                               \
        const size_t depth = GATES * s->units, step = height(to - from, MAX_ROWS), stride = s->stride;                \
        const TYPE *grads = (const TYPE *)s->gates + t * s->rows * stride;                                             \
        for (size_t column = 0; column < padded; column += BLOCK) {                                                    \
            const TYPE *w = (const TYPE *)s->weights + column * depth;                                                 \
            for (size_t first = from; first < to; first += step) {                                                     \
                vec sums[MAX_ROWS][GATES];                                                                            \
                const size_t n = to - first < step ? to - first : step;                                                \
                WITH_COUNT(n, {                                                                                        \
                    PRODUCT(count, grads + first * stride, stride, w, depth, sums);                                    \
                    KEEP(count, sums, dhs + first * padded + column, padded);                                          \
                })                                                                                                     \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

static void backward_f32(const struct sequence *s, size_t t, size_t from, size_t to, float *dhs, size_t padded)
{
    BACKWARD_STEP(float, product_f32);
}

BF16 static void backward_bf16(const struct sequence *s, size_t t, size_t from, size_t to, float *dhs, size_t padded)
{
    BACKWARD_STEP(bf16, product_bf16);
}

AMX static void backward_tiles(const struct sequence *s, size_t t, size_t from, size_t to, float *dhs, size_t padded)
{
    const size_t depth = GATES * s->units, step = height(to - from, 2 * TILE_ROWS), stride = s->stride;
    const bf16 *grads = (const bf16 *)s->gates + t * s->rows * stride;
    size_t set = 0;
    for (size_t column = 0; column < padded; column += BLOCK) {
        const bf16 *w = (const bf16 *)s->weights + column * depth;
        for (size_t first = from; first < to; first += step) {
            const size_t n = to - first < step ? to - first : step;
            product_of(n, &set, grads + first * stride, stride, w, depth, dhs + first * padded + column, 16, padded);
        }
    }
}

/* Places whose rows of gradients and of h stay in the fastest cache while they are multiplied. */
enum { SPAN = 128 };

/* to[0..count - 1][16 `groups`] += products of `count` gate gradients with h before, over these positions and rows. */
INLINE void outer_f32(const struct sequence *s, const int count, const int groups, const float *grads, const float *h,
                      size_t first, size_t last, size_t from, size_t rows_to, float *to)
{
    const size_t units = s->units, stride = s->stride;
    vec sums[MAX_ROWS][GATES];
#pragma GCC unroll 6
    for (int r = 0; r < count; r++)
#pragma GCC unroll 4
        for (int g = 0; g < groups; g++) sums[r][g] = _mm512_loadu_ps(to + r * units + g * 16);
    for (size_t t = first; t < last; t++)
        for (size_t place = t * s->rows + from; place < t * s->rows + rows_to; place++) {
            vec w[GATES];
#pragma GCC unroll 4
            for (int g = 0; g < groups; g++) w[g] = _mm512_loadu_ps(h + place * units + g * 16);
#pragma GCC unroll 6
            for (int r = 0; r < count; r++)
#pragma GCC unroll 4
                for (int g = 0; g < groups; g++)
                    sums[r][g] = _mm512_fmadd_ps(splat(grads[place * stride + r]), w[g], sums[r][g]);
        }
#pragma GCC unroll 6
    for (int r = 0; r < count; r++)
#pragma GCC unroll 4
        for (int g = 0; g < groups; g++) _mm512_storeu_ps(to + r * units + g * 16, sums[r][g]);
}

/* Add positions first..last - 1 of these rows to the gradients of the weights, (G, H). */
static void weight_grads_f32(const struct sequence *s, size_t first, size_t last, size_t from, size_t to, float *sum)
{
    const size_t units = s->units, all = GATES * units;
    const float *grads = s->gates, *h = s->h;
    for (size_t column = 0; column < units; column += BLOCK)
        for (size_t gate = 0; gate < all; gate += MAX_ROWS) {
            float *at = sum + gate * units + column;
            if (units - column >= BLOCK)
                WITH_COUNT(all - gate, outer_f32(s, count, 4, grads + gate, h + column, first, last, from, to, at))
            else
                WITH_COUNT(all - gate, outer_f32(s, count, 2, grads + gate, h + column, first, last, from, to, at))
        }
}

AMX static void release_tiles(void) { _tile_release(); }

/* The rows of thread `number` of `threads`: whole tiles where there are enough of them. */
static size_t share(const struct sequence *s, size_t number, size_t threads)
{
    const size_t grain = s->kind == BF16_TILES && (size_t)s->rows >= threads * TILE_ROWS ? TILE_ROWS : 1;
    const size_t grains = (s->rows + grain - 1) / grain, end = grains * number / threads * grain;
    return end < (size_t)s->rows ? end : (size_t)s->rows;
}

static size_t threads_of(const struct sequence *s)
{
    return s->threads < 1 ? 1 : s->threads < s->rows ? s->threads : s->rows;
}

/* Fill h and c, and gates unless NULL. */
void charloom_forward(const struct sequence *s)
{
    const size_t threads = threads_of(s);
#pragma omp parallel num_threads(threads)
    {
        const size_t number = omp_get_thread_num(), running = omp_get_num_threads();
        const size_t from = share(s, number, running), to = share(s, number + 1, running);
        const unsigned mode = _mm_getcsr();
        _mm_setcsr(mode | FLUSH);
        for (size_t t = 0; from < to && t < (size_t)s->positions; t++) {
            if (s->kind == FLOAT32) forward_f32(s, t, from, to);
            else if (s->kind == BF16_DOT) forward_bf16(s, t, from, to);
            else forward_tiles(s, t, from, to);
        }
        if (s->kind == BF16_TILES) release_tiles();
        _mm_setcsr(mode);
    }
}

/* Turn gates into the gradients of the gate sums, and sum those by index into table_grads unless NULL. No gradient
 * reaches the first h and c. Returns 0, or 1 where memory ran out. */
int charloom_backward(const struct sequence *s)
{
    const size_t threads = threads_of(s), padded = ((size_t)s->units + BLOCK - 1) / BLOCK * BLOCK;
    float *dhs = aligned_alloc(64, s->rows * padded * sizeof(float));
    float *dcs = aligned_alloc(64, s->rows * s->units * sizeof(float));
    if (!dhs || !dcs) {
        free(dhs);
        free(dcs);
        return 1;
    }
#pragma omp parallel num_threads(threads)
    {
        const size_t number = omp_get_thread_num(), running = omp_get_num_threads();
        const size_t from = share(s, number, running), to = share(s, number + 1, running), units = s->units;
        const size_t span = to > from && to - from < SPAN ? SPAN / (to - from) : 1;
        float *table = s->table_grads ? s->table_grads + number * s->table_rows * GATES * units : NULL;
        const unsigned mode = _mm_getcsr();
        _mm_setcsr(mode | FLUSH);
        for (size_t row = from; row < to; row++) {
            memset(dcs + row * units, 0, units * sizeof(float));
            memset(dhs + row * padded, 0, padded * sizeof(float));
            if (s->last_grads) memcpy(dhs + row * padded, s->last_grads + row * units, units * sizeof(float));
        }
        for (size_t t = s->positions; from < to && t-- > 0;) {
            if (s->kind == FLOAT32) {
                cells_back_f32(s, t, from, to, dhs, padded, dcs, table);
                if (t) backward_f32(s, t, from, to, dhs, padded);
                if (s->weight_grads && (t % span == 0)) {
                    const size_t last = t + span < (size_t)s->positions ? t + span : (size_t)s->positions;
                    weight_grads_f32(s, t, last, from, to, s->weight_grads + number * GATES * units * units);
                }
            } else {
                cells_back_bf16(s, t, from, to, dhs, padded, dcs, table);
                if (t && s->kind == BF16_DOT) backward_bf16(s, t, from, to, dhs, padded);
                else if (t) backward_tiles(s, t, from, to, dhs, padded);
            }
        }
        if (s->kind == BF16_TILES) release_tiles();
        _mm_setcsr(mode);
    }
    free(dhs);
    free(dcs);
    return 0;
}

/* 32 bits for each number that depend on its place and the seed alone: the finaliser of MurmurHash3 (Appleby, 2011). */
INLINE __m512i scrambled(__m512i x)
{
    x = _mm512_mullo_epi32(_mm512_xor_si512(x, _mm512_srli_epi32(x, 16)), _mm512_set1_epi32((int)0x85EBCA6Bu));
    x = _mm512_mullo_epi32(_mm512_xor_si512(x, _mm512_srli_epi32(x, 13)), _mm512_set1_epi32((int)0xC2B2AE35u));
    return _mm512_xor_si512(x, _mm512_srli_epi32(x, 16));
}

/* Drop this share of n numbers, a multiple of 16, and scale the others up. The same seed drops the same places. */
void charloom_dropout(int64_t threads, int64_t n, uint32_t seed, double share, const float *from, float *to)
{
    const __m512i mixed = _mm512_set1_epi32((int)seed);
    const __m512i counting = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i limit = _mm512_set1_epi32((int)(uint32_t)(share * 4294967296.0));
    const vec scale = splat((float)(1 / (1 - share)));
#pragma omp parallel num_threads(threads)
    {
        const size_t number = omp_get_thread_num(), running = omp_get_num_threads(), vectors = n / UNITS;
        const size_t last = vectors * (number + 1) / running * UNITS;
        for (size_t i = vectors * number / running * UNITS; i < last; i += UNITS) {
            const __m512i place = _mm512_add_epi32(_mm512_set1_epi32((int)(uint32_t)i), counting);
            const __m512i mark = scrambled(_mm512_xor_si512(scrambled(place), mixed));
            const vec number_or_zero = _mm512_maskz_loadu_ps(_mm512_cmpge_epu32_mask(mark, limit), from + i);
            _mm512_storeu_ps(to + i, _mm512_mul_ps(number_or_zero, scale));
        }
    }
}

/* Two rows of 16 as pairs of bfloat16, the first in the lower halves. */
BF16 INLINE __m512i paired(vec first, vec second)
{
    const __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(first));
    const __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(second));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

/* Where gate sum n of the packed order stands among the rows of torch's weights: input, forget, cell, output of all. */
INLINE size_t torch_row(size_t n, size_t units)
{
    return n % BLOCK / UNITS * units + n / BLOCK * UNITS + n % UNITS;
}

static void pack_f32(size_t units, const float *weights, float *forward, float *backward)
{
    const size_t all = GATES * units, padded = (units + BLOCK - 1) / BLOCK * BLOCK;
    for (size_t n = 0; n < all; n += UNITS) {
        const float *rows = weights + torch_row(n, units) * units;
        float *to = forward + n / BLOCK * BLOCK * units + n % BLOCK;
        for (size_t k = 0; k < units; k++)
            for (size_t u = 0; u < UNITS; u++) to[k * BLOCK + u] = rows[u * units + k];
    }
    for (size_t column = 0; column < padded; column += BLOCK)
        for (size_t n = 0; n < all; n++) {
            const size_t given = units - column < BLOCK ? units - column : BLOCK;
            float *to = backward + column * all + n * BLOCK;
            memcpy(to, weights + torch_row(n, units) * units + column, given * sizeof(float));
            memset(to + given, 0, (BLOCK - given) * sizeof(float));
        }
}

BF16 static void pack_bf16(size_t units, const float *weights, bf16 *forward, bf16 *backward)
{
    const size_t all = GATES * units, padded = (units + BLOCK - 1) / BLOCK * BLOCK;
    const __m512i apart = _mm512_mullo_epi32(_mm512_set1_epi32((int)units), _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9,
                                             8, 7, 6, 5, 4, 3, 2, 1, 0));
    for (size_t n = 0; n < all; n += UNITS) {
        const float *rows = weights + torch_row(n, units) * units;
        bf16 *to = forward + n / BLOCK * BLOCK * units + n % BLOCK / UNITS * TILE;
        for (size_t k = 0; k < units; k += 2)
            _mm512_storeu_si512(to + k / DEPTH * DEPTH * BLOCK + k % DEPTH * 16,
                                paired(_mm512_i32gather_ps(apart, rows + k, 4),
                                       _mm512_i32gather_ps(apart, rows + k + 1, 4)));
    }
    for (size_t column = 0; column < padded; column += UNITS)
        for (size_t n = 0; n < all; n += 2) {
            bf16 *to = backward + column / BLOCK * BLOCK * all + n / DEPTH * DEPTH * BLOCK
                       + column % BLOCK / UNITS * TILE + n % DEPTH * 16;
            const float *row = weights + torch_row(n, units) * units + column;
            _mm512_storeu_si512(to, column < units ? paired(_mm512_loadu_ps(row), _mm512_loadu_ps(row + units))
                                                   : _mm512_setzero_si512());
        }
}

/* Pack torch's weights, (4 H, H) float32, for both directions: (H / 16, H, 4, 16), and (H / 64, G, 4, 16) with zeros
 * where H is no multiple of 64; in bfloat16 (H / 16, H / 32, 4, 16, 16, 2) and (H / 64, G / 32, 4, 16, 16, 2). */
void charloom_pack(int64_t kind, int64_t units, const float *weights, void *forward, void *backward)
{
    if (kind == FLOAT32) pack_f32(units, weights, forward, backward);
    else pack_bf16(units, weights, forward, backward);
}

/* Ask the kernel of the system for the tiles' registers. Returns 0 where it gives them. */
int charloom_ask_for_tiles(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) ? 1 : 0;
}
