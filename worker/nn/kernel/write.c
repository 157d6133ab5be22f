/* Writing: a model goes on by one character again and again, for texts side by side, and chooses each character.
 *
 * Two ways. Carried: every text is one lane, whose state goes on from character to character. Window: the seed
 * document's way, in which each next character comes from the last `window` ones alone, read from a state of zeros.
 * That is one text with a lane for each window that has begun and isn't read to its end: what comes next moves all of
 * them on, in one product instead of `window` small ones, and the eldest gives the logits.
 *
 * All in float32. A lane's results don't depend on the lanes beside it, so threads share many lanes out among them and
 * need not wait for one another. Weights are packed as in lstm.c;
 * shapes: V characters, H units (a multiple of 32), G = 4 H gate sums, R lanes.
 */
#include "vectors.h"

#include <float.h>
#include <math.h>
#include <omp.h>

enum { WIDE = 8 };

struct writing {
    /* The model. */
    int64_t units, layers, characters;
    const float *table;         /* (V, G): what the first layer takes from each character, biases included */
    const float *recurrent;     /* (layers, H / 16, H, 4, 16) */
    const float *inputs;        /* (layers - 1, H / 16, H, 4, 16): from the layer below */
    const float *biases;        /* (layers - 1, G) */
    const float *out;           /* (V / 16 rounded up, H, 16), zeros behind the last character */
    const float *out_biases;    /* (V rounded up to 16) */
    /* The texts. */
    int64_t lanes;              /* R */
    int64_t window;             /* characters of a window, R then too, or 0: carried */
    int64_t last;               /* window: none is begun later than that of this character of the text, 0 the first */
    int64_t read;               /* characters that have gone through the layers; odd or even tells which h is newer */
    float *h;                   /* (layers, 2, R, H) */
    float *c;                   /* (layers, R, H) */
    int32_t *newest;            /* (R), or (1) in windows: the last character of each text, not read yet */
    const float *entering;      /* (G), or NULL: what enters the only lane's gate sums besides its own product */
    float *logits;              /* (R, V rounded up to 16), or (1, ...) in windows */
    /* The choice; see worker/nn/sampling.py. */
    double temperature, top_p;
    int64_t top_k;
    int64_t threads;            /* that write; no more than texts */
    double *weights;            /* (threads, V rounded up to 8), room */
    int32_t *heap;              /* (threads, V), room */
};

INLINE size_t texts(const struct writing *s) { return s->window ? 1 : (size_t)s->lanes; }
INLINE size_t padded(const struct writing *s) { return ((size_t)s->characters + UNITS - 1) / UNITS * UNITS; }

/* h of a layer: the one before this character (0) or after it (1). */
INLINE float *h_of(const struct writing *s, size_t layer, int after)
{
    return s->h + (layer * 2 + (s->read + after) % 2) * s->lanes * s->units;
}

/* From the four gate sums of 16 units, `stride` apart, and what enters besides: move c on, put h. */
INLINE void cell(float *c, float *h, const float *sums, size_t stride, const float *in)
{
    vec x[GATES];
    for (int gate = 0; gate < GATES; gate++)
        x[gate] = _mm512_add_ps(_mm512_loadu_ps(sums + gate * stride), _mm512_loadu_ps(in + gate * UNITS));
    const vec i = sigmoid(0, x[0]), f = sigmoid(0, x[1]), g = tanh_of(0, x[2]), o = sigmoid(0, x[3]);
    const vec cell = _mm512_fmadd_ps(f, _mm512_loadu_ps(c), _mm512_mul_ps(i, g));
    _mm512_storeu_ps(c, cell);
    _mm512_storeu_ps(h, _mm512_mul_ps(o, tanh_of(0, cell)));
}

/* What enters the gate sums of a lane besides products. */
INLINE const float *entering(const struct writing *s, size_t layer, size_t lane)
{
    const size_t sums = GATES * s->units;
    if (s->entering) return s->entering;
    return layer ? s->biases + (layer - 1) * sums : s->table + (size_t)s->newest[s->window ? 0 : lane] * sums;
}

/* Blocks whose sums are kept before their cells are computed. */
enum { SPAN = 8 };

/* The cells of n lanes from `first` on, in these blocks. A function of its own: inlined, its constants would take
 * registers from the sums of the products before it. */
static __attribute__((noinline)) void cells(struct writing *s, size_t layer, size_t block, size_t last, size_t first,
                                            size_t n, float sums[SPAN][MAX_ROWS * BLOCK])
{
    float *c = s->c + layer * s->lanes * s->units, *next = h_of(s, layer, 1);
    for (size_t r = 0; r < n; r++) {
        const float *in = entering(s, layer, first + r);
        for (size_t i = block; i < last; i++) {
            const size_t unit = (first + r) * s->units + i * UNITS;
            cell(c + unit, next + unit, sums[i - block] + r * BLOCK, UNITS, in + i * BLOCK);
        }
    }
}

/* Move the lanes from..to - 1 of one layer on by the newest character. `stacked`, a constant, is whether there is a
 * layer below: asked in between, it would cost the sums their registers. */
INLINE void any_layer(const int stacked, struct writing *s, size_t layer, size_t from, size_t to)
{
    const size_t units = s->units, step = height(to - from, MAX_ROWS), block_size = BLOCK * units;
    const size_t blocks = units / UNITS;
    const float *h = h_of(s, layer, 0), *below = stacked ? h_of(s, layer - 1, 1) : NULL;
    const float *weights = s->recurrent + layer * blocks * block_size;
    const float *from_below = stacked ? s->inputs + (layer - 1) * blocks * block_size : NULL;
    for (size_t block = 0; block < blocks; block += SPAN) {
        const size_t last = block + SPAN < blocks ? block + SPAN : blocks;
        for (size_t first = from; first < to; first += step) {
            float kept[SPAN][MAX_ROWS * BLOCK] __attribute__((aligned(64)));
            const size_t n = to - first < step ? to - first : step;
            for (size_t i = block; i < last; i++) {
                vec sums[MAX_ROWS][GATES];
                WITH_COUNT(n, {
                    product_f32(count, h + first * units, units, weights + i * block_size, units, sums);
                    if (stacked)
                        add_product_f32(count, below + first * units, units, from_below + i * block_size, units, sums);
                    KEEP(count, sums, kept[i - block], BLOCK);
                })
            }
            cells(s, layer, block, last, first, n, kept);
        }
    }
}

/* By the recurrent product alone: the first layer, or one whose input has been multiplied already. */
static void lone_layer(struct writing *s, size_t layer, size_t from, size_t to) { any_layer(0, s, layer, from, to); }

static void stacked_layer(struct writing *s, size_t layer, size_t from, size_t to)
{
    any_layer(1, s, layer, from, to);
}

/* The logits of `count` lanes, `groups` times 16 characters; both are constants. */
INLINE void some_logits(const int count, const int groups, const float *h, size_t units, const float *out,
                        const float *biases, float *logits, size_t width)
{
    vec sums[MAX_ROWS][GATES];
#pragma GCC unroll 6
    for (int r = 0; r < count; r++)
#pragma GCC unroll 4
        for (int g = 0; g < groups; g++) sums[r][g] = _mm512_loadu_ps(biases + g * UNITS);
#pragma GCC unroll 2
    for (size_t k = 0; k < units; k++) {
        vec w[GATES];
#pragma GCC unroll 4
        for (int g = 0; g < groups; g++) w[g] = _mm512_loadu_ps(out + (g * units + k) * UNITS);
#pragma GCC unroll 6
        for (int r = 0; r < count; r++) {
            const vec a = splat(h[r * units + k]);
#pragma GCC unroll 4
            for (int g = 0; g < groups; g++) sums[r][g] = _mm512_fmadd_ps(a, w[g], sums[r][g]);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < count; r++)
#pragma GCC unroll 4
        for (int g = 0; g < groups; g++) _mm512_storeu_ps(logits + r * width + g * UNITS, sums[r][g]);
}

/* The logits of n texts from `text` on, whose lanes begin at `lane`. */
static void compute_logits(struct writing *s, size_t text, size_t lane, size_t n)
{
    const size_t units = s->units, step = height(n, MAX_ROWS), width = padded(s);
    const float *h = h_of(s, s->layers - 1, 1) + lane * units;
    for (size_t column = 0; column < width;) {
        const size_t groups = width - column < BLOCK ? 1 : GATES;
        const float *out = s->out + column * units, *biases = s->out_biases + column;
        for (size_t first = 0; first < n; first += step) {
            const size_t some = n - first < step ? n - first : step;
            const float *rows = h + first * units;
            float *logits = s->logits + (text + first) * width + column;
            if (groups == 1) WITH_COUNT(some, some_logits(count, 1, rows, units, out, biases, logits, width))
            else WITH_COUNT(some, some_logits(count, GATES, rows, units, out, biases, logits, width))
        }
        column += groups * UNITS;
    }
}

/* Move the lanes from..to - 1 on through all layers. */
static void move(struct writing *s, size_t from, size_t to)
{
    for (size_t layer = 0; from < to && layer < (size_t)s->layers; layer++) {
        if (layer) stacked_layer(s, layer, from, to);
        else lone_layer(s, layer, from, to);
    }
}

/* Let the window that begins with the newest character begin, in the lane of the one that ended before. */
static void begin_window(struct writing *s, size_t lane)
{
    const size_t units = s->units, cells = s->lanes * units;
    for (size_t layer = 0; layer < (size_t)s->layers; layer++) {
        memset(s->c + layer * cells + lane * units, 0, units * sizeof(float));
        memset(h_of(s, layer, 0) + lane * units, 0, units * sizeof(float));
    }
}

/* Read the newest character of each text. In windows the lane of a window is where it begins, modulo their number. */
static void read_newest(struct writing *s)
{
    if (!s->window) {
        move(s, 0, s->lanes);
        return;
    }
    const int64_t now = s->read, lanes = s->lanes;
    const int64_t eldest = now < lanes ? 0 : now - lanes + 1, youngest = now < s->last ? now : s->last;
    if (youngest < eldest) return;
    const size_t from = eldest % lanes, to = youngest % lanes + 1;
    if (now == youngest) begin_window(s, now % lanes);
    if (from < to) {
        move(s, from, to);
    } else if (from == to) {
        move(s, 0, lanes);
    } else {
        move(s, from, lanes);
        move(s, 0, to);
    }
}

/* e^x for x <= 0, to a rounding; below the least normal number nothing. */
INLINE __m512d power_of_e(__m512d x)
{
    const __m512d within = _mm512_max_pd(x, _mm512_set1_pd(-708.0));
    const __m512d n = _mm512_roundscale_pd(_mm512_mul_pd(within, _mm512_set1_pd(1.4426950408889634)),
                                           _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512d r = _mm512_fnmadd_pd(n, _mm512_set1_pd(6.93147180369123816490e-01), within);
    r = _mm512_fnmadd_pd(n, _mm512_set1_pd(1.90821492927058770002e-10), r);
    __m512d p = _mm512_set1_pd(1.0 / 6227020800.0);
    static const double factorials[] = {479001600, 39916800, 3628800, 362880, 40320, 5040, 720, 120, 24, 6, 2, 1, 1};
#pragma GCC unroll 13
    for (int i = 0; i < 13; i++) p = _mm512_fmadd_pd(p, r, _mm512_set1_pd(1.0 / factorials[i]));
    return _mm512_maskz_scalef_pd(_mm512_cmp_pd_mask(x, within, _CMP_EQ_OQ), p, n);
}

/* Whether character a comes before b: likelier, or as likely and first. */
INLINE int before(const double *weights, int32_t a, int32_t b)
{
    return weights[a] > weights[b] || (weights[a] == weights[b] && a < b);
}

static void sink(const double *weights, int32_t *heap, size_t size, size_t place)
{
    for (size_t child; (child = 2 * place + 1) < size; place = child) {
        if (child + 1 < size && before(weights, heap[child + 1], heap[child])) child++;
        if (before(weights, heap[place], heap[child])) return;
        const int32_t moved = heap[place];
        heap[place] = heap[child];
        heap[child] = moved;
    }
}

/* Take the weights of all but the likeliest: top_k of them, and of these the fewest that reach the share top_p. */
static void leave_likeliest(const struct writing *s)
{
    const size_t all = s->characters, most = s->top_k && (size_t)s->top_k < all ? (size_t)s->top_k : all;
    double *weights = s->weights, reached = 0, wanted = 0;
    int32_t *heap = s->heap;
    size_t size = all, kept = 0;
    for (size_t i = 0; i < all; i++) {
        heap[i] = (int32_t)i;
        wanted += weights[i];
    }
    wanted = most < all ? DBL_MAX : wanted * s->top_p;
    for (size_t i = all / 2; i-- > 0;) sink(weights, heap, size, i);
    /* One after another moves to the heap's end, the likeliest first. */
    while (kept < most && reached < wanted) {
        const int32_t likeliest = heap[0];
        heap[0] = heap[--size];
        heap[size] = likeliest;
        sink(weights, heap, size, 0);
        reached += weights[likeliest];
        kept++;
    }
    if (most < all && s->top_p < 1) {
        wanted = reached * s->top_p;
        for (kept = 0, reached = 0; kept < most && reached < wanted; kept++) reached += weights[heap[all - 1 - kept]];
    }
    for (size_t i = 0; i < all - kept; i++) weights[heap[i]] = 0;
}

/* The next character after these logits, by a number in 0..1. */
static int32_t choose(const struct writing *s, const float *logits, double draw)
{
    const size_t characters = s->characters;
    vec mosts = splat(-INFINITY);
    for (size_t i = 0; i < characters; i += UNITS) {
        const __mmask16 given = characters - i < UNITS ? (__mmask16)((1u << (characters - i)) - 1) : 0xFFFF;
        mosts = _mm512_mask_max_ps(mosts, given, mosts, _mm512_loadu_ps(logits + i));
    }
    const float largest = _mm512_reduce_max_ps(mosts);
    if (s->temperature == 0) {
        size_t likeliest = 0;
        while (likeliest + 1 < characters && logits[likeliest] != largest) likeliest++;
        return (int32_t)likeliest;
    }
    const __m512d most = _mm512_set1_pd(largest), temperature = _mm512_set1_pd(s->temperature);
    double *weights = s->weights;
    for (size_t i = 0; i < characters; i += WIDE) {
        const __m512d less = _mm512_sub_pd(_mm512_cvtps_pd(_mm256_loadu_ps(logits + i)), most);
        _mm512_storeu_pd(weights + i, power_of_e(_mm512_div_pd(less, temperature)));
    }
    if ((s->top_k && s->top_k < s->characters) || s->top_p < 1) leave_likeliest(s);
    for (size_t i = 1; i < characters; i++) weights[i] += weights[i - 1];
    const double sum = weights[characters - 1], wanted = draw * sum;
    size_t place = 0;
    while (place < characters && !(weights[place] > wanted)) place++;
    /* A draw that rounding lifts to the whole sum belongs to the last character that has any probability. */
    if (place == characters)
        for (place = 0; place + 1 < characters && weights[place] < sum;) place++;
    return (int32_t)place;
}

/* What enters a layer's gate sums at n places, (n, G), from h of the layer below there, (n, H). */
static void multiply_inputs(const struct writing *s, size_t layer, size_t n, const float *below, float *sums)
{
    const size_t units = s->units, all = GATES * units, step = height(n, MAX_ROWS);
    const float *weights = s->inputs + (layer - 1) * all * units, *biases = s->biases + (layer - 1) * all;
    for (size_t column = 0; column < all; column += BLOCK)
        for (size_t first = 0; first < n; first += step) {
            const size_t rows = n - first < step ? n - first : step;
            WITH_COUNT(rows, {
                vec product[MAX_ROWS][GATES];
                product_f32(count, below + first * units, units, weights + column * units, units, product);
                _Pragma("GCC unroll 6") for (int r = 0; r < count; r++)
                    _Pragma("GCC unroll 4") for (int g = 0; g < GATES; g++)
                        product[r][g] = _mm512_add_ps(product[r][g], _mm512_loadu_ps(biases + column + g * UNITS));
                KEEP(count, product, sums + first * all + column, all);
            })
        }
}

/* Read n characters of a text whose state is carried, one layer after the other: its weights stay in the cache. */
static void read_in_layers(struct writing *s, size_t n, const int32_t *codes, float *room)
{
    const size_t units = s->units, all = GATES * units;
    const int64_t before = s->read;
    float *sums = room, *h = room + n * all;
    for (size_t layer = 0; n && layer < (size_t)s->layers; layer++) {
        if (layer) multiply_inputs(s, layer, n, h, sums);
        for (size_t i = 0; i < n; i++) {
            s->read = before + (int64_t)i;
            s->entering = layer ? sums + i * all : s->table + codes[i] * all;
            lone_layer(s, layer, 0, 1);
            memcpy(h + i * units, h_of(s, layer, 1), units * sizeof(float));
        }
    }
    s->read = before + (int64_t)n;
    s->entering = NULL;
}

/* Read `count` characters of one text, of which the last becomes the newest. Without a window there is `room` for count
 * (G + H) numbers. */
void charloom_read(struct writing *s, int64_t count, const int32_t *codes, float *room)
{
    const unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | FLUSH);
    if (!s->window) {
        if (s->newest[0] >= 0) read_in_layers(s, 1, s->newest, room);
        read_in_layers(s, count - 1, codes, room);
        s->newest[0] = codes[count - 1];
    }
    for (int64_t i = 0; s->window && i < count; i++) {
        if (s->newest[0] >= 0) {
            read_newest(s);
            s->read++;
        }
        s->newest[0] = codes[i];
    }
    _mm_setcsr(mode);
}

/* Write `count` characters of the texts from..to - 1. */
static void write_texts(struct writing *s, size_t from, size_t to, size_t count, const double *draws, int32_t *codes)
{
    const size_t width = padded(s);
    for (size_t i = 0; i < count; i++) {
        if (s->window) read_newest(s);
        else move(s, from, to);
        compute_logits(s, from, s->window ? (s->read + 1) % s->lanes : from, to - from);
        for (size_t text = from; text < to; text++) {
            const double draw = draws ? draws[text * count + i] : 0;
            s->newest[text] = codes[text * count + i] = choose(s, s->logits + text * width, draw);
        }
        s->read++;
    }
}

/* Write `count` characters of each text, (texts, count), by as many numbers in 0..1. */
void charloom_write(struct writing *s, int64_t count, const double *draws, int32_t *codes)
{
#pragma omp parallel num_threads(s->threads)
    {
        const size_t number = omp_get_thread_num(), running = omp_get_num_threads(), all = texts(s);
        const unsigned mode = _mm_getcsr();
        struct writing own = *s;
        own.weights += number * (((size_t)s->characters + WIDE - 1) / WIDE * WIDE);
        own.heap += number * s->characters;
        _mm_setcsr(mode | FLUSH);
        write_texts(&own, all * number / running, all * (number + 1) / running, count, draws, codes);
        _mm_setcsr(mode);
    }
    s->read += count;
}
