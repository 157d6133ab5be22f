/* One LSTM layer over a batch of sequences, forward and backward, gates fused into the products.
 *
 * Hochreiter and Schmidhuber, "Long short-term memory" (1997), with the forget gate of Gers et al. (2000), as
 * torch.nn.LSTM computes it. Every thread takes rows of the batch through all positions, so no thread waits for another
 * before the end, and a row's results don't depend on how many there are.
 *
 * Shapes: T positions, B rows, H units (a multiple of 32), G = 4 H gate sums in the order of vectors.h, where the layout
 * of weights is drawn.
 *
 * Kinds: FLOAT32; BF16_DOT, bfloat16 products pair by pair; BF16_TILES, bfloat16 products by AMX; EIGHT, products of
 * eight bits. In the latter three h, gates and the gradients of gate sums are kept in bfloat16, but in EIGHT where the
 * family has none; c, sums and what is summed over positions in float32.
 */
#include "vectors.h"
#if BFLOAT16
#include "bfloat16.h"
#endif
#if EIGHT_BITS
#include "eight.h"
#endif

/* What both directions share. Pointers are to contiguous arrays. */
struct sequence {
    int64_t kind, positions, rows, units;
    const void *weights;     /* packed, forward or backward */
    const void *inputs;      /* (n, G) float32, or bfloat16 where inputs_bf16: what enters the gate sums */
    const int32_t *index;    /* (T, B) row of inputs at each place, or NULL: place t B + b itself */
    int64_t inputs_bf16;
    void *h;                 /* (T + 1, B, H) float32 or bfloat16; the first is given */
    float *c;                /* (T + 1, B, H), or (B, H) where gates is NULL; the first is given */
    void *gates;             /* (T, B, stride), or NULL: no backward pass follows. That one puts gradients there */
    int64_t stride;          /* numbers from one row of gates to the next: more than G, so that rows share no cache sets */
    const void *out_grads;   /* (T, B, H) as h, or NULL: of h after each position */
    const float *last_grads; /* (B, H), or NULL: of h after the last position */
    float *table_grads;      /* (threads, n, G), or NULL: of inputs, summed by index, for each thread apart */
    int64_t table_rows;      /* n */
    float *weight_grads;     /* (threads, G, H) in torch's order, or NULL: for each thread apart, of its rows; not
                                BF16_TILES */
    const float *scales;     /* (G) of the weights, where EIGHT, and */
    const int32_t *begins;   /* (G), what forward sums begin with (pack.c) */
    float *eight;            /* (threads, eight_room), scratch where EIGHT */
    int64_t eight_room;      /* 17 H + B (H + 2) + 516 */
    float *scratch;          /* for the backward pass: (B, H rounded up to 64 + H) gradients of h and of c, and where
                                weight_grads is given (threads, 129, 5 (H + 64)) */
};

/* Sixteen numbers of an array of float32, or of bfloat16 where `narrow`. */
INLINE vec get(const int narrow, const void *from, size_t i)
{
#if BFLOAT16
    if (narrow) return vwiden((const bf16 *)from + i);
#endif
    (void)narrow;
    return vload((const float *)from + i);
}

INLINE void put(const int narrow, void *to, size_t i, vec x)
{
#if BFLOAT16
    if (narrow) {
        vnarrow((bf16 *)to + i, x);
        return;
    }
#endif
    (void)narrow;
    vstore((float *)to + i, x);
}

/* Past the caches: it is read again only after everything else has been. */
INLINE void put_past(const int narrow, void *to, size_t i, vec x)
{
#if BFLOAT16
    if (narrow) {
        vnarrow_past((bf16 *)to + i, x);
        return;
    }
#endif
    (void)narrow;
    vstream((float *)to + i, x);
}

/* Where row n of an array of float32 or bfloat16 begins. */
INLINE const void *row_of(const struct sequence *s, const void *array, size_t n, size_t width)
{
    return (const char *)array + n * width * (s->kind == FLOAT32 ? sizeof(float) : sizeof(bf16));
}

/* Rows that one call of `multiply` takes. */
enum { MOST_ROWS = 64 };
INLINE size_t most_rows(const struct sequence *s)
{
    return s->kind == FLOAT32 ? MOST_ROWS : s->kind == BF16_TILES ? 32 : MAX_ROWS;
}

/* Put the product of n rows with 64 columns of packed weights at `to`, by the kind's way. */
INLINE void multiply(const struct sequence *s, size_t *tiles, size_t n, const void *rows, size_t stride,
                     const void *weights, size_t depth, float *to, size_t to_stride)
{
    (void)tiles;
    if (s->kind == FLOAT32) multiply_f32(0, n, rows, stride, weights, depth, to, to_stride);
#if BFLOAT16
    if (s->kind == BF16_DOT) multiply_bf16(n, rows, stride, weights, depth, to, to_stride);
#endif
#ifdef __AMX_BF16__
    if (s->kind == BF16_TILES) multiply_in_tiles(tiles, n, rows, stride, weights, depth, to, to_stride);
#endif
}

#if EIGHT_BITS
/* Sixteen numbers in -1..1, rounded. */
INLINE void lift(uint8_t *to, vec x) { bstore(to, iadd(iround(vmul(x, vsplat(LIFTED))), isplat(LIFT))); }
#endif

/* From the sums of n rows from `first` on, 64 of this block for each: fill gates, c and h of position t, and unless NULL
 * `lifted`, (B, H), with h in eight bits. */
INLINE void cells(const int narrow, const struct sequence *s, size_t t, size_t first, size_t n, size_t block,
                  const float *sums, uint8_t *lifted)
{
    (void)lifted;
    const size_t units = s->units, all = s->rows * units;
    for (size_t row = first; row < first + n; row++, sums += BLOCK) {
        const size_t place = t * s->rows + row, unit = row * units + block * UNITS;
        const size_t in = (s->index ? (size_t)s->index[place] : place) * GATES * units + block * BLOCK;
        const size_t before = s->gates ? t * all + unit : unit, after = s->gates ? before + all : unit;
        vec entering[GATES];
        UNROLLED(g, GATES) entering[g] = get((int)s->inputs_bf16, s->inputs, in + g * UNITS);
        const struct cell cell = cell_of(narrow, sums, entering, vload(s->c + before));
        vstore(s->c + after, cell.c);
        put(narrow, s->h, (t + 1) * all + unit, cell.h);
#if EIGHT_BITS
        if (lifted) lift(lifted + unit, cell.h);
#endif
        if (s->gates) {
            const size_t at = place * s->stride + block * BLOCK;
            put_past(narrow, s->gates, at, cell.i);
            put_past(narrow, s->gates, at + UNITS, cell.f);
            put_past(narrow, s->gates, at + 2 * UNITS, cell.g);
            put_past(narrow, s->gates, at + 3 * UNITS, cell.o);
        }
    }
}

/* Places, or pairs of bfloat16 places, at most, whose products are added to the gradients of the weights at once. Their
 * gradients of gate sums and h before are multiplied from copies, (G / 16, PITCH, 16) and (H / WIDTH, PITCH, WIDTH): where
 * they are the rows share cache sets, and each takes a page of memory of its own. */
enum { SPAN = 128, PITCH = SPAN + 1, WIDTH = OUTER * UNITS };

/* Where sixteen of the copied elements begin: gate sums from `sum` on, units from `unit` on, of place n. */
INLINE float *copied_sums(float *copies, size_t sum, size_t n) { return copies + sum * PITCH + n * UNITS; }
INLINE float *copied_units(float *copies, size_t units, size_t unit, size_t n)
{
    return copies + GATES * units * PITCH + unit / WIDTH * WIDTH * PITCH + n * WIDTH + unit % WIDTH;
}

#if BFLOAT16
/* Copy what positions t and t + 1 of the rows from..to - 1 have, in pairs, to places n and after; t + 1 may be the end. */
NOINLINE void copy_pairs(const struct sequence *s, size_t t, size_t from, size_t to, float *copies, size_t n)
{
    const size_t units = s->units, sums = GATES * units, rows = s->rows, stride = s->stride;
    const int alone = t + 1 == (size_t)s->positions;
    const bf16 *gates = s->gates, *h = s->h;
    for (size_t row = from; row < to; row++, n++) {
        const bf16 *first = gates + (t * rows + row) * stride, *before = h + (t * rows + row) * units;
        for (size_t sum = 0; sum < sums; sum += UNITS) {
            const vec second = alone ? vsplat(0.0f) : vwiden(first + rows * stride + sum);
            pstore((bf16 *)copied_sums(copies, sum, n), vwiden(first + sum), second);
        }
        for (size_t unit = 0; unit < units; unit += UNITS) {
            const vec second = alone ? vsplat(0.0f) : vwiden(before + rows * units + unit);
            pstore((bf16 *)copied_units(copies, units, unit, n), vwiden(before + unit), second);
        }
    }
}
#endif

/* The gradients of 64 gate sums, a block, of a row at position t: from dhs, the gradient of h after it, and dcs, that of c
 * after it, which becomes that of c before. */
INLINE void cell_grads(const int narrow, const struct sequence *s, size_t t, size_t row, size_t block, const float *dhs,
                       size_t padded, float *dcs, vec grads[GATES])
{
    const size_t units = s->units, all = s->rows * units, unit = row * units + block * UNITS;
    const size_t at = (t * s->rows + row) * s->stride + block * BLOCK;
    const vec one = vsplat(1.0f);
    vec dh = vload(dhs + row * padded + block * UNITS);
    if (s->out_grads) dh = vadd(dh, get(narrow, s->out_grads, t * all + unit));
    const vec i = get(narrow, s->gates, at), f = get(narrow, s->gates, at + UNITS);
    const vec g = get(narrow, s->gates, at + 2 * UNITS), o = get(narrow, s->gates, at + 3 * UNITS);
    const vec before = vload(s->c + t * all + unit);
    const vec squashed = tanh_of(narrow, vload(s->c + (t + 1) * all + unit));
    const vec dho = vmul(dh, o);
    const vec dc = vfma(dho, vfnma(squashed, squashed, one), vload(dcs + unit));
    const vec dcf = vmul(dc, f), dci = vmul(dc, i);
    vstore(dcs + unit, dcf);
    grads[0] = vmul(vmul(dci, g), vsub(one, i));
    grads[1] = vmul(vmul(dcf, before), vsub(one, f));
    grads[2] = vmul(dci, vfnma(g, g, one));
    grads[3] = vmul(vmul(dho, squashed), vsub(one, o));
}

/* From dhs, the gradient of h after position t, and dcs, that of c after it: put those of the gate sums where the gates
 * were, and that of c before into dcs. Unless `copies` is NULL these rows are copied to places n and after. */
INLINE void cells_back(const int narrow, const struct sequence *s, size_t t, size_t from, size_t to, const float *dhs,
                       size_t padded, float *dcs, float *table, float *copies, size_t n)
{
    const size_t units = s->units;
    for (size_t row = from; row < to; row++, n++) {
        const size_t place = t * s->rows + row;
        float *sum = table ? table + (size_t)s->index[place] * GATES * units : NULL;
        if (copies)
            for (size_t unit = 0; unit < units; unit += UNITS)
                vstore(copied_units(copies, units, unit, n), vload((const float *)s->h + place * units + unit));
        for (size_t block = 0; block < units / UNITS; block++) {
            const size_t at = place * s->stride + block * BLOCK;
            vec grads[GATES];
            cell_grads(narrow, s, t, row, block, dhs, padded, dcs, grads);
            UNROLLED(gate, GATES) {
                put(narrow, s->gates, at + gate * UNITS, grads[gate]);
                if (copies) vstore(copied_sums(copies, block * BLOCK + gate * UNITS, n), grads[gate]);
                if (sum) {
                    float *place_of = sum + block * BLOCK + gate * UNITS;
                    vstore(place_of, vadd(vload(place_of), grads[gate]));
                }
            }
        }
    }
}

NOINLINE void cells_f32(const struct sequence *s, size_t t, size_t first, size_t n, size_t block, const float *sums)
{
    cells(0, s, t, first, n, block, sums, NULL);
}

NOINLINE void cells_bf16(const struct sequence *s, size_t t, size_t first, size_t n, size_t block, const float *sums)
{
    cells(1, s, t, first, n, block, sums, NULL);
}

#if EIGHT_BITS
#include "lstm_eight.h"
#endif

/* Position t of the rows from..to - 1. */
static void forward_step(const struct sequence *s, size_t *tiles, size_t t, size_t from, size_t to)
{
    const size_t units = s->units, step = height(to - from, most_rows(s));
    for (size_t block = 0; block < units / UNITS; block++) {
        const void *weights = row_of(s, s->weights, block * BLOCK, units);
        for (size_t first = from; first < to; first += step) {
            float sums[MOST_ROWS * BLOCK] __attribute__((aligned(64)));
            const size_t n = to - first < step ? to - first : step;
            multiply(s, tiles, n, row_of(s, s->h, t * s->rows + first, units), units, weights, units, sums, BLOCK);
            if (s->kind == FLOAT32) cells_f32(s, t, first, n, block, sums);
            else cells_bf16(s, t, first, n, block, sums);
        }
    }
}

/* dhs = gradients of the gate sums of position t times the weights: of h before that position. */
static void backward_step(const struct sequence *s, size_t *tiles, size_t t, size_t from, size_t to, float *dhs,
                          size_t padded)
{
    const size_t depth = GATES * s->units, step = height(to - from, most_rows(s)), stride = s->stride;
    for (size_t column = 0; column < padded; column += BLOCK) {
        const void *weights = row_of(s, s->weights, column, depth);
        for (size_t first = from; first < to; first += step) {
            const size_t n = to - first < step ? to - first : step;
            multiply(s, tiles, n, row_of(s, s->gates, t * s->rows + first, stride), stride, weights, depth,
                     dhs + first * padded + column, padded);
        }
    }
}

/* to[0..15][16 `groups`] = what is there, if `add`, + products of sixteen gate gradients, one gate of a block, with h
 * before at n places. */
INLINE void outer_products(const int paired, const int groups, int add, size_t n, const float *grads, const float *h,
                           float *to, size_t units)
{
    for (size_t r = 0; r < UNITS; r++)
        UNROLLED(g, groups) __builtin_prefetch(to + r * units + (groups + g) * UNITS);
    put_sixteen(paired, groups, add, n, grads, UNITS, h, WIDTH, to, units);
}

/* Make n copied places, or pairs of them, the gradients of torch's weights, (G, H), or add them to these. A strip of
 * gradients stays in the nearest cache while h comes by. */
INLINE void sum_weight_grads(const int paired, int add, size_t units, size_t n, float *copies, float *sum)
{
    for (size_t gate = 0; gate < GATES * units; gate += UNITS)
        for (size_t column = 0; column < units; column += WIDTH) {
            const float *left = copied_sums(copies, gate, 0), *right = copied_units(copies, units, column, 0);
            float *to = sum + torch_row(gate, units) * units + column;
            if (units - column >= WIDTH) outer_products(paired, OUTER, add, n, left, right, to, units);
            else outer_products(paired, 2, add, n, left, right, to, units);
        }
}

NOINLINE void sum_weight_grads_f32(int add, size_t units, size_t n, float *copies, float *sum)
{
    sum_weight_grads(0, add, units, n, copies, sum);
}

NOINLINE void sum_weight_grads_bf16(int add, size_t units, size_t n, float *copies, float *sum)
{
    sum_weight_grads(1, add, units, n, copies, sum);
}

/* The first row of thread `number` of so many: whole tiles where there are enough of them. */
static size_t share(const struct sequence *s, size_t number, size_t threads)
{
    const size_t grain = s->kind == BF16_TILES && (size_t)s->rows >= threads * 16 ? 16 : 1;
    const size_t grains = (s->rows + grain - 1) / grain, first = grains * number / threads * grain;
    return first < (size_t)s->rows ? first : (size_t)s->rows;
}

INLINE void release_tiles(const struct sequence *s)
{
    (void)s;
#ifdef __AMX_BF16__
    if (s->kind == BF16_TILES) _tile_release();
#endif
}

/* Fill h and c, and gates unless NULL: the share of thread `number` of `threads`. */
void charloom_forward(const struct sequence *s, int64_t number, int64_t threads)
{
    const size_t from = share(s, number, threads), to = share(s, number + 1, threads);
    const fp_mode before = flush_denormals();
    size_t tiles = 0;
#if EIGHT_BITS
    const struct eight e = s->kind == EIGHT ? eight_of(s, number) : (struct eight){0};
    if (s->kind == EIGHT) lift_first(s, &e, from, to);
    for (size_t t = 0; s->kind == EIGHT && from < to && t < (size_t)s->positions; t++)
        forward_step_eight(s, &e, t, from, to);
#endif
    for (size_t t = 0; s->kind != EIGHT && from < to && t < (size_t)s->positions; t++)
        forward_step(s, &tiles, t, from, to);
    release_tiles(s);
    restore(before);
}

/* Turn gates into the gradients of the gate sums, and sum those by index into table_grads unless NULL: the share of
 * thread `number` of `threads`. No gradient reaches the first h and c. */
void charloom_backward(const struct sequence *s, int64_t number, int64_t threads)
{
    const size_t from = share(s, number, threads), to = share(s, number + 1, threads);
    const size_t units = s->units, padded = (units + BLOCK - 1) / BLOCK * BLOCK, positions = s->positions;
    /* Positions and rows that are copied together, as pairs of bfloat16 or fours of eight bits. */
    const size_t each = s->kind == BF16_DOT ? 2 : 1, fours = s->kind == EIGHT ? 4 : 1;
    /* How often positions are copied, and after how many the copies are multiplied. */
    const size_t copied = (positions + each - 1) / each, at_once = (to - from + fours - 1) / fours;
    const size_t span = to > from && at_once < SPAN ? SPAN / at_once : 1;
    float *dhs = s->scratch, *dcs = s->scratch + s->rows * padded;
    float *copies = s->weight_grads ? dcs + s->rows * units + number * PITCH * 5 * (units + BLOCK) : NULL;
    float *weight_grads = copies ? s->weight_grads + number * GATES * units * units : NULL;
    float *table = s->table_grads ? s->table_grads + number * s->table_rows * GATES * units : NULL;
    const fp_mode before = flush_denormals();
#if EIGHT_BITS
    const struct eight e = s->kind == EIGHT ? eight_of(s, number) : (struct eight){0};
#endif
    size_t tiles = 0;
    int add = 0;
    if (table) memset(table, 0, s->table_rows * GATES * units * sizeof(float));
    if (weight_grads && from == to) memset(weight_grads, 0, GATES * units * units * sizeof(float));
    for (size_t row = from; row < to; row++) {
        memset(dcs + row * units, 0, units * sizeof(float));
        memset(dhs + row * padded, 0, padded * sizeof(float));
        if (s->last_grads) memcpy(dhs + row * padded, s->last_grads + row * units, units * sizeof(float));
    }
    for (size_t t = positions; from < to && t-- > 0;) {
        const size_t place = t / each;
        for (size_t first = from; first < to; first += fours * SPAN) {
            const size_t last = to - first < fours * SPAN ? to : first + fours * SPAN, n = (last - first + fours - 1) / fours;
            const size_t some = copied - place < span ? copied - place : span;
            if (s->kind == FLOAT32) {
                cells_back(0, s, t, first, last, dhs, padded, dcs, table, copies, place % span * n);
                if (copies && place % span == 0) sum_weight_grads_f32(add, units, some * n, copies, weight_grads);
            }
#if BFLOAT16
            if (s->kind == BF16_DOT || s->kind == BF16_TILES) {
                cells_back(1, s, t, first, last, dhs, padded, dcs, table, NULL, 0);
                if (!copies || t % each) continue;
                copy_pairs(s, t, first, last, copies, place % span * n);
                if (place % span == 0) sum_weight_grads_bf16(add, units, some * n, copies, weight_grads);
            }
#endif
#if EIGHT_BITS
            if (s->kind == EIGHT) {
                cells_back_eight(s, &e, t, first, last, dhs, padded, dcs, table, copies, place % span * n);
                if (place % span) continue;
                const float scale = copy_fours(s, &e, t, some, first, last, copies);
                sum_weight_grads_eight(add, units, some * n, e.unit_begins, scale, copies, weight_grads);
            }
#endif
            add |= place % span == 0;
        }
#if EIGHT_BITS
        if (t && s->kind == EIGHT) backward_step_eight(s, &e, from, to, dhs, padded);
#endif
        if (t && s->kind != EIGHT) backward_step(s, &tiles, t, from, to, dhs, padded);
    }
    release_tiles(s);
    restore(before);
}
