/* Writing: a model generates one character after another, for texts side by side, and chooses each character.
 *
 * Two ways. Carried: every text is one lane, whose state is carried from character to character. Window: the seed
 * document's way, in which each next character comes from the last `window` ones alone, read from a state of zeros.
 * That is one text with a lane for each window that has begun and isn't read to its end: what comes next moves all of
 * them on, in one product instead of `window` small ones, and the eldest gives the logits.
 *
 * All in float32, but for the weights of wide layers (narrow.h). A lane's results don't depend on other lanes, so threads
 * divide many lanes among them. Those of texts need not wait for one another; those of windows meet at every character.
 * The layout of weights is drawn in vectors.h; shapes: V characters, H units (a multiple of 32), G = 4 H gate sums,
 * R lanes.
 */
#include "choose.h"
#include "meet.h"
#include "narrow.h"
#include "vectors.h"

/* The weights of products, one matrix after the other, (G, H) but for the output: float32, or else of eight bits. */
struct matrices {
    const float *exact;
    struct narrow narrow;
};

struct writing {
    /* The model. */
    int64_t units, layers, characters;
    const float *table;         /* (V, G): what the first layer takes from each character, biases included */
    struct matrices recurrent;  /* of each layer */
    struct matrices inputs;     /* of each layer but the first: from the layer below */
    const float *biases;        /* (layers - 1, G) */
    struct matrices out;        /* (V rounded up to 16, H) in strips of 16, zeros behind the last character; of eight
                                 * bits two of them, whose sum it is: one rounded, and what the rounding took away */
    const float *out_biases;    /* (V rounded up to 16) */
    /* The texts. */
    int64_t lanes;              /* R */
    int64_t window;             /* characters of a window, R then too, or 0: carried */
    int64_t last;               /* window: none is begun later than that of this character of the text, 0 the first */
    int64_t read;               /* characters that have gone through the layers; its last bit selects the newer h */
    float *h;                   /* (layers, 2, R, H) */
    float *c;                   /* (layers, R, H) */
    int32_t *newest;            /* (R), or (1) in windows: the last character of each text, not read yet */
    const float *entering;      /* (G), or NULL: what enters the only lane's gate sums besides its own product */
    float *logits;              /* (R, V rounded up to 16), or (1, ...) in windows */
    struct choice choice;
};

INLINE size_t padded(const struct writing *s) { return ((size_t)s->characters + UNITS - 1) / UNITS * UNITS; }

/* h of a layer: the one before this character (0) or after it (1). */
INLINE float *h_of(const struct writing *s, size_t layer, int after)
{
    return s->h + (layer * 2 + (s->read + after) % 2) * s->lanes * s->units;
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

/* The cells of n lanes from `first` on, in these blocks. */
NOINLINE void cells(struct writing *s, size_t layer, size_t block, size_t last, size_t first, size_t n,
                    float sums[SPAN][MAX_ROWS * BLOCK])
{
    float *c = s->c + layer * s->lanes * s->units, *next = h_of(s, layer, 1);
    for (size_t r = 0; r < n; r++) {
        const float *in = entering(s, layer, first + r);
        for (size_t i = block; i < last; i++) {
            const size_t unit = (first + r) * s->units + i * UNITS;
            vec besides[GATES];
            UNROLLED(g, GATES) besides[g] = vload(in + i * BLOCK + g * UNITS);
            const struct cell cell = cell_of(0, sums[i - block] + r * BLOCK, besides, vload(c + unit));
            vstore(c + unit, cell.c);
            vstore(next + unit, cell.h);
        }
    }
}

/* Put the product of up to 6 rows of h with a block of one of the matrices at `to`, or add it to what is there.
 * `rounded` holds the rows as narrow.h has them. */
INLINE void multiply(const struct matrices *m, size_t matrix, size_t block, int add, size_t n, const float *rows,
                     const uint8_t *rounded, size_t units, float *to, size_t to_stride)
{
    const size_t column = matrix * GATES * units + block * BLOCK;
    if (m->exact) multiply_f32(add, n, rows, units, m->exact + column * units, units, to, to_stride);
    else multiply_i8(add, n, rounded, units, &m->narrow, column, units, to, to_stride);
}

/* Move the lanes from..to - 1 of one layer on by the newest character. With `stacked` the layer below has been moved,
 * and its h is multiplied as well; otherwise all that enters is `entering`. Every other character goes through the blocks
 * backwards: caches still hold the weights that were read last. */
static void move_layer(struct writing *s, size_t layer, const int stacked, size_t from, size_t to)
{
    const size_t units = s->units, step = height(to - from, MAX_ROWS), blocks = units / UNITS;
    const float *h = h_of(s, layer, 0), *below = stacked ? h_of(s, layer - 1, 1) : NULL;
    uint8_t rounded[s->recurrent.exact ? 1 : MAX_ROWS * units], rounded_below[stacked ? sizeof rounded : 1];
    const int backwards = s->read % 2;
    for (size_t done = 0; done < blocks; done += SPAN) {
        const size_t some = blocks - done < SPAN ? blocks - done : SPAN;
        const size_t block = backwards ? blocks - done - some : done, last = block + some;
        for (size_t first = from; first < to; first += step) {
            float kept[SPAN][MAX_ROWS * BLOCK] __attribute__((aligned(64)));
            const size_t n = to - first < step ? to - first : step, lane = first * units;
            if (!s->recurrent.exact) round_rows(n * units, h + lane, rounded);
            if (!s->recurrent.exact && stacked) round_rows(n * units, below + lane, rounded_below);
            for (size_t turn = 0; turn < some; turn++) {
                const size_t i = backwards ? last - 1 - turn : block + turn;
                float *sums = kept[i - block];
                multiply(&s->recurrent, layer, i, 0, n, h + lane, rounded, units, sums, BLOCK);
                if (stacked)
                    multiply(&s->inputs, layer - 1, i, 1, n, below + lane, rounded_below, units, sums, BLOCK);
            }
            cells(s, layer, block, last, first, n, kept);
        }
    }
}

/* The logits of `count` lanes, `groups` times 16 characters from `column` on; both are constants. */
INLINE void some_logits(const struct writing *s, const int count, const int groups, const float *h,
                        const uint8_t *rounded, size_t column, float *logits)
{
    const size_t units = s->units, width = padded(s);
    const float *biases = s->out_biases + column;
    vec sums[MAX_ROWS][GATES];
    UNROLLED(r, count) UNROLLED(g, groups) sums[r][g] = vload(biases + g * UNITS);
    if (s->out.exact) {
        add_product(0, count, groups, h, units, 1, s->out.exact + column * units, UNITS, units * UNITS, units, sums);
    } else {
        for (size_t part = 0; part < 2; part++) {
            vec products[MAX_ROWS][GATES];
            product_i8(count, groups, rounded, units, &s->out.narrow, part * width + column, units, products);
            UNROLLED(r, count) UNROLLED(g, groups) sums[r][g] = vadd(sums[r][g], products[r][g]);
        }
    }
    UNROLLED(r, count) UNROLLED(g, groups) vstore(logits + r * width + column + g * UNITS, sums[r][g]);
}

/* The logits of n texts from `text` on, whose lanes begin at `lane`. */
static void compute_logits(struct writing *s, size_t text, size_t lane, size_t n)
{
    const size_t units = s->units, step = height(n, MAX_ROWS), width = padded(s);
    uint8_t rounded[s->out.exact ? 1 : MAX_ROWS * units];
    for (size_t first = 0; first < n; first += step) {
        const size_t some = n - first < step ? n - first : step;
        const float *h = h_of(s, s->layers - 1, 1) + (lane + first) * units;
        float *logits = s->logits + (text + first) * width;
        if (!s->out.exact) round_rows(some * units, h, rounded);
        WITH_COUNT(some, {
            enum { wide = GROUPS(count) };
            size_t column = 0;
            for (; column + wide * UNITS <= width; column += wide * UNITS)
                some_logits(s, count, wide, h, rounded, column, logits);
            for (; column < width; column += UNITS) some_logits(s, count, 1, h, rounded, column, logits);
        })
    }
}

/* Move the lanes from..to - 1 on through all layers. */
static void move(struct writing *s, size_t from, size_t to)
{
    for (size_t layer = 0; from < to && layer < (size_t)s->layers; layer++) move_layer(s, layer, layer > 0, from, to);
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

/* Read the newest character in this thread's share of the windows. The lane of a window is where it begins, modulo
 * their number: they are a part of a circle of lanes. */
static void read_windows(struct writing *s, const struct together *t)
{
    const int64_t now = s->read, lanes = s->lanes;
    const int64_t eldest = now < lanes ? 0 : now - lanes + 1, youngest = now < s->last ? now : s->last;
    const int64_t all = youngest - eldest + 1;
    if (all <= 0) return;
    const int64_t begin = all == lanes ? 0 : eldest % lanes;
    const int64_t from = (begin + all * t->number / t->threads) % lanes;
    const int64_t count = all * (t->number + 1) / t->threads - all * t->number / t->threads;
    const int64_t to = from + count < lanes ? from + count : lanes;
    if (now == youngest && (now + lanes - from) % lanes < count) begin_window(s, now % lanes);
    move(s, from, to);
    move(s, 0, from + count - to);
}

/* What enters a layer's gate sums at n places, (n, G), from h of the layer below there, (n, H). */
static void multiply_inputs(const struct writing *s, size_t layer, size_t n, const float *below, float *sums)
{
    const size_t units = s->units, all = GATES * units, step = height(n, MAX_ROWS);
    const float *biases = s->biases + (layer - 1) * all;
    uint8_t rounded[s->inputs.exact ? 1 : MAX_ROWS * units];
    for (size_t block = 0; block < units / UNITS; block++)
        for (size_t first = 0; first < n; first += step) {
            const size_t rows = n - first < step ? n - first : step;
            const float *h = below + first * units;
            float *at = sums + first * all + block * BLOCK;
            if (!s->inputs.exact) round_rows(rows * units, h, rounded);
            multiply(&s->inputs, layer - 1, block, 0, rows, h, rounded, units, at, all);
            for (size_t r = 0; r < rows; r++)
                UNROLLED(g, GATES) vstore(at + r * all + g * UNITS, vadd(vload(at + r * all + g * UNITS),
                                                                         vload(biases + block * BLOCK + g * UNITS)));
        }
}

/* Read n characters of a text whose state is carried, one layer after the other: its weights stay in the cache. */
static void read_in_layers(struct writing *s, size_t n, const int32_t *codes, float *scratch)
{
    const size_t units = s->units, all = GATES * units;
    const int64_t before = s->read;
    float *sums = scratch, *h = scratch + n * all;
    for (size_t layer = 0; n && layer < (size_t)s->layers; layer++) {
        if (layer) multiply_inputs(s, layer, n, h, sums);
        for (size_t i = 0; i < n; i++) {
            s->read = before + (int64_t)i;
            s->entering = layer ? sums + i * all : s->table + codes[i] * all;
            move_layer(s, layer, 0, 0, 1);
            memcpy(h + i * units, h_of(s, layer, 1), units * sizeof(float));
        }
    }
    s->read = before + (int64_t)n;
    s->entering = NULL;
}

/* Read `count` characters of one text: the share of thread `number` of `threads`, only one without a window. `arrived` is
 * 0 at first. When all have ended, the caller makes the last one the newest, and adds to `read` how many have gone
 * through the layers: `count`, at first one less. Until then neither changes, since a thread may begin when another has
 * ended. Without a window `scratch` has space for count (G + H) numbers. */
void charloom_read(const struct writing *s, int64_t *arrived, int64_t number, int64_t threads, int64_t count,
                   const int32_t *codes, float *scratch)
{
    const fp_mode before = flush_denormals();
    struct together together = {arrived, number, threads, 0};
    struct writing own = *s;
    int32_t newest = s->newest[0];
    own.newest = &newest;
    if (s->window) {
        for (int64_t i = 0; i < count; newest = codes[i++]) {
            if (newest < 0) continue;
            read_windows(&own, &together);
            own.read++;
            meet(&together);
        }
    } else {
        if (newest >= 0) read_in_layers(&own, 1, &newest, scratch);
        read_in_layers(&own, count - 1, codes, scratch);
    }
    restore(before);
}

/* Choose the next character of a text by its logits. */
INLINE int32_t chosen(struct writing *s, size_t text, const double *draw)
{
    return s->newest[text] = choose(&s->choice, s->logits + text * padded(s), draw ? *draw : 0);
}

/* Write `count` characters of the texts from..to - 1. */
static void write_texts(struct writing *s, size_t from, size_t to, size_t count, const double *draws, int32_t *codes)
{
    for (size_t i = 0; i < count; i++, s->read++) {
        move(s, from, to);
        compute_logits(s, from, from, to - from);
        for (size_t at = from * count + i; at < to * count; at += count)
            codes[at] = chosen(s, at / count, draws ? draws + at : NULL);
    }
}

/* Write `count` characters of a text whose windows threads share: each is chosen by the first thread. */
static void write_windows(struct writing *s, struct together *t, size_t count, const double *draws, int32_t *codes)
{
    for (size_t i = 0; i < count; i++, s->read++) {
        read_windows(s, t);
        meet(t);
        if (!t->number) {
            compute_logits(s, 0, (size_t)(s->read + 1) % s->lanes, 1);
            codes[i] = chosen(s, 0, draws ? draws + i : NULL);
        }
        meet(t);
    }
}

/* Write `count` characters of each text, (texts, count), by as many numbers in 0..1: the share of thread `number` of
 * `threads`. `arrived` is 0 at first. When all have ended, the caller adds `count` to `read`. */
void charloom_write(const struct writing *s, int64_t *arrived, int64_t number, int64_t threads, int64_t count,
                    const double *draws, int32_t *codes)
{
    const size_t all = s->lanes;
    const fp_mode before = flush_denormals();
    struct together together = {arrived, number, threads, 0};
    struct writing own = *s;
    own.choice.weights += number * (((size_t)s->characters + WIDE - 1) / WIDE * WIDE);
    own.choice.heap += number * s->characters;
    if (s->window) write_windows(&own, &together, count, draws, codes);
    else write_texts(&own, all * number / threads, all * (number + 1) / threads, count, draws, codes);
    restore(before);
}
