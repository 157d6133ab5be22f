/* The linear layer onto the vocabulary, with the softmax, the loss and all their gradients, in one pass.
 *
 * Rows are taken CHUNK at a time, so that what belongs to them stays in the cache from the logits to their gradients. A
 * thread takes its share of the rows, and no thread waits for another before the end.
 *
 * Shapes: N rows, H units (a multiple of 32), V characters, C columns: V rounded up to 16. Weights are kept in strips of
 * 16 columns, row by row, for both directions:
 *
 *      forward:  strip 0: [unit 0: characters 0..15][unit 1] ... [unit H - 1]            strip 1: ...      C / 16 strips
 *      backward: strip 0: [character 0: units 0..15][character 1] ... [character C - 1]  strip 1: ...      H / 16 strips
 *
 * Where products are in bfloat16, an element is a pair instead: of units or characters, one after the other, and where
 * rows are summed up, of rows.
 */
#include "vectors.h"

/* The losses of some rows, summed up: below + ln(product) + 300 scalings ln(2). */
struct loss {
    double below;   /* of all rows: the target's logit below the highest one */
    double product; /* of all rows: the sum of e^(logit - highest), which is at least 1 */
    int64_t scalings;
};

struct output {
    int64_t paired, parts, rows, batch, units, vocabulary; /* parts: the threads that share charloom_output */
    const void *h;          /* (N, H) float32, or bfloat16 where paired */
    const float *kept;      /* (batch, H), or NULL: row n is multiplied with its row n % batch first */
    const float *weights;   /* (V, H) */
    const float *bias;      /* (V) */
    const int64_t *targets; /* (N), 0..V - 1 */
    float factor;           /* of each row's loss, where gradients are summed up */
    struct loss *losses;    /* (threads), for each thread apart */
    void *h_grads;          /* (N, H) as h */
    float *grads;           /* (threads, C, H + 1), for each thread apart: (C, H) of weights, then (C) of the bias */
    float *scratch;         /* (threads, room) */
    int64_t room;           /* CHUNK (H + 16 + 2 (C + 16)) + C (2 H + 1) */
};

/* Rows at once, a multiple of 12, and what keeps rows of a copy from sharing cache sets. */
enum { CHUNK = 96, GAP = UNITS };

/* A thread's part of the scratch. `pairs` are used where products are in bfloat16 only. */
struct chunk {
    size_t units, columns;
    float *forward, *backward, *bias;
    float *h, *h_pairs;           /* the rows, units side by side, and with pairs of rows; afterwards their gradients */
    float *logits;                /* the rows, and then their gradients; columns + GAP apart */
    float *grads, *grad_pairs;    /* the same as bfloat16, characters side by side, and with pairs of rows */
};

static struct chunk chunk_of(const struct output *o, float *scratch)
{
    struct chunk c = {.units = o->units, .columns = (o->vocabulary + UNITS - 1) / UNITS * UNITS};
    const size_t wide = c.units + GAP, high = c.columns + GAP;
    c.forward = scratch;
    c.backward = c.forward + c.columns * c.units;
    c.bias = c.backward + c.columns * c.units;
    c.h = c.bias + c.columns;
    c.h_pairs = c.h + CHUNK / 2 * wide;
    c.logits = c.h + CHUNK * wide;
    c.grads = c.logits + CHUNK * high;
    c.grad_pairs = c.grads + CHUNK / 2 * high;
    return c;
}

/* Sixteen numbers of row n of an array of `rows` rows; zeros behind the last. */
INLINE vec row_or_zeros(const float *array, size_t rows, size_t width, size_t n, size_t at)
{
    return n < rows ? vload(array + n * width + at) : vsplat(0.0f);
}

/* Sort the weights into strips. A column without a character has a bias that makes it impossible. */
static void sort_weights(const struct output *o, const struct chunk *c)
{
    const size_t units = c->units, rows = o->vocabulary, each = o->paired ? 2 : 1;
    for (size_t n = 0; n < c->columns; n++) c->bias[n] = n < rows ? o->bias[n] : -1e30f;
    for (size_t column = 0; column < c->columns; column += UNITS)
        for (size_t unit = 0; unit < units; unit += UNITS) {
            float square[UNITS][UNITS] __attribute__((aligned(64))), turned[UNITS][UNITS] __attribute__((aligned(64)));
            for (size_t n = 0; n < UNITS; n++) vstore(square[n], row_or_zeros(o->weights, rows, units, column + n, unit));
            for (size_t n = 0; n < UNITS; n++)
                for (size_t u = 0; u < UNITS; u++) turned[u][n] = square[n][u];
            float *forward = c->forward + (column * units + unit * UNITS) / each;
            float *backward = c->backward + (unit * c->columns + column * UNITS) / each;
            for (size_t n = 0; n < UNITS; n += each) {
#if BFLOAT16
                if (o->paired) {
                    pstore((bf16 *)(forward + n / 2 * UNITS), vload(turned[n]), vload(turned[n + 1]));
                    pstore((bf16 *)(backward + n / 2 * UNITS), vload(square[n]), vload(square[n + 1]));
                    continue;
                }
#endif
                vstore(forward + n * UNITS, vload(turned[n]));
                vstore(backward + n * UNITS, vload(square[n]));
            }
        }
}

/* to = the product of n rows, a multiple of six, with strips of weights of `depth` elements. */
INLINE void multiply_strips(const int paired, size_t n, const float *rows, size_t stride, const float *strips,
                            size_t depth, size_t columns, float *to, size_t to_stride)
{
    for (size_t column = 0; column < columns; column += OUTER * UNITS) {
        const size_t groups = (columns - column) / UNITS;
        const float *weights = strips + column * depth;
        for (size_t row = 0; row < n; row += MAX_ROWS) {
            const float *from = rows + row * stride;
            float *at = to + row * to_stride + column;
#define STRIPS(some) \
    put_product(paired, MAX_ROWS, some, 0, from, stride, 1, weights, UNITS, depth * UNITS, depth, at, to_stride)
            if (groups >= OUTER) STRIPS(OUTER);
            else if (groups == 3) STRIPS(3);
            else if (groups == 2) STRIPS(2);
            else STRIPS(1);
#undef STRIPS
        }
    }
}

/* to (C, H) = what is there, if `add`, + the products of the logits' gradients with h, over n places or pairs of them. */
INLINE void sum_products(const int paired, int add, const struct chunk *c, size_t n, const float *grads, const float *h,
                         float *to)
{
    const size_t units = c->units, wide = units + GAP, high = c->columns + GAP;
    for (size_t column = 0; column < c->columns; column += UNITS)
        for (size_t unit = 0; unit < units; unit += OUTER * UNITS) {
            float *at = to + column * units + unit;
#define SIXTEEN(groups) put_sixteen(paired, groups, add, n, grads + column, high, h + unit, wide, at, units)
            if (units - unit >= OUTER * UNITS) SIXTEEN(OUTER);
            else SIXTEEN(2);
#undef SIXTEEN
        }
}

NOINLINE void multiply_strips_f32(size_t n, const float *rows, size_t stride, const float *strips, size_t depth,
                                  size_t columns, float *to, size_t to_stride)
{
    multiply_strips(0, n, rows, stride, strips, depth, columns, to, to_stride);
}

NOINLINE void sum_products_f32(int add, const struct chunk *c, size_t n, float *to)
{
    sum_products(0, add, c, n, c->logits, c->h, to);
}

#if BFLOAT16
NOINLINE void multiply_strips_bf16(size_t n, const float *rows, size_t stride, const float *strips, size_t depth,
                                   size_t columns, float *to, size_t to_stride)
{
    multiply_strips(1, n, rows, stride, strips, depth, columns, to, to_stride);
}

NOINLINE void sum_products_bf16(int add, const struct chunk *c, size_t n, float *to)
{
    sum_products(1, add, c, n, c->grad_pairs, c->h_pairs, to);
}
#endif

/* What unit `at` and the following of row n are multiplied with. */
INLINE vec kept_of(const struct output *o, size_t n, size_t at)
{
    return o->kept ? vload(o->kept + n % o->batch * o->units + at) : vsplat(1.0f);
}

/* Copy h of n rows from `first` on, and zeros behind them up to `padded`. */
NOINLINE void copy_rows(const struct output *o, const struct chunk *c, size_t first, size_t n, size_t padded)
{
    const size_t units = c->units, wide = units + GAP;
    for (size_t row = 0; row < padded; row++)
        for (size_t at = 0; at < units; at += UNITS) {
            vec h = vsplat(0.0f);
#if BFLOAT16
            if (o->paired) {
                if (row < n) h = vmul(vwiden((const bf16 *)o->h + (first + row) * units + at), kept_of(o, first + row, at));
                vnarrow((bf16 *)c->h + row * wide + at, h);
                continue;
            }
#endif
            if (row < n) h = vmul(vload((const float *)o->h + (first + row) * units + at), kept_of(o, first + row, at));
            vstore(c->h + row * wide + at, h);
        }
}

#if BFLOAT16
/* to[n / 2][wide] pairs = from[n][wide], two rows side by side; `width` of each. */
NOINLINE void pair_up(size_t n, size_t width, size_t wide, const float *from, float *to)
{
    for (size_t row = 0; row < n; row += 2)
        for (size_t at = 0; at < width; at += UNITS) {
            const bf16 *upper = (const bf16 *)from + row * wide + at;
            pstore((bf16 *)(to + row / 2 * wide + at), vwiden(upper), vwiden(upper + wide));
        }
}
#endif

/* Turn n rows of products into the gradients of the logits, and add their losses. */
NOINLINE void differentiate(const struct output *o, const struct chunk *c, size_t first, size_t n, float *bias_grads,
                            struct loss *loss)
{
    const size_t columns = c->columns, high = columns + GAP;
    for (size_t row = 0; row < n; row++) {
        const size_t target = o->targets[first + row];
        float *logits = c->logits + row * high;
        vec top = vsplat(-3e38f), total = vsplat(0.0f);
        for (size_t at = 0; at < columns; at += UNITS) {
            const vec logit = vadd(vload(logits + at), vload(c->bias + at));
            vstore(logits + at, logit);
            top = vmax(top, logit);
        }
        const float most = largest_of(top), below = most - logits[target];
        for (size_t at = 0; at < columns; at += UNITS) {
            const vec power = vmul(vsub(vload(logits + at), vsplat(most)), vsplat(1.44269504f));
            const vec share = power_of_two(vmax(vsplat(-125.0f), power));
            vstore(logits + at, share);
            total = vadd(total, share);
        }
        const float sum = sum_of(total);
        loss->below += below;
        loss->product *= sum;
        if (loss->product > 0x1p300) {
            loss->product *= 0x1p-300;
            loss->scalings++;
        }
        logits[target] -= sum;
        for (size_t at = 0; at < columns; at += UNITS) {
            const vec grad = vmul(vload(logits + at), vsplat(o->factor / sum));
            vstore(logits + at, grad);
            vstore(bias_grads + at, vadd(vload(bias_grads + at), grad));
#if BFLOAT16
            if (o->paired) vnarrow((bf16 *)c->grads + row * high + at, grad);
#endif
        }
    }
}

/* Put the gradients of n rows of h, which are in c->h, where they belong. */
NOINLINE void put_grads(const struct output *o, const struct chunk *c, size_t first, size_t n)
{
    const size_t units = c->units, wide = units + GAP;
    for (size_t row = first; row < first + n; row++)
        for (size_t at = 0; at < units; at += UNITS) {
            const vec grad = vmul(vload(c->h + (row - first) * wide + at), kept_of(o, row, at));
#if BFLOAT16
            if (o->paired) {
                vnarrow((bf16 *)o->h_grads + row * units + at, grad);
                continue;
            }
#endif
            vstore((float *)o->h_grads + row * units + at, grad);
        }
}

/* Losses and gradients: the share of thread `number` of `threads`. */
void charloom_output(const struct output *o, int64_t number, int64_t threads)
{
    const size_t end = o->rows * (number + 1) / threads;
    const struct chunk c = chunk_of(o, o->scratch + number * o->room);
    const size_t units = c.units, columns = c.columns, wide = units + GAP, high = columns + GAP;
    float *weight_grads = o->grads + number * columns * (units + 1), *bias_grads = weight_grads + columns * units;
    struct loss loss = {.product = 1};
    const fp_mode before = flush_denormals();
    int add = 0;
    sort_weights(o, &c);
    memset(bias_grads, 0, columns * sizeof(float));
    for (size_t first = o->rows * number / threads, n; first < end; first += n) {
        n = end - first < CHUNK ? end - first : CHUNK;
        const size_t padded = (n + 2 * MAX_ROWS - 1) / (2 * MAX_ROWS) * (2 * MAX_ROWS);
        copy_rows(o, &c, first, n, padded);
#if BFLOAT16
        if (o->paired) {
            multiply_strips_bf16(padded, c.h, wide / 2, c.forward, units / 2, columns, c.logits, high);
            differentiate(o, &c, first, n, bias_grads, &loss);
            memset((bf16 *)c.grads + n * high, 0, (padded - n) * high * sizeof(bf16));
            pair_up(padded, units, wide, c.h, c.h_pairs);
            pair_up(padded, columns, high, c.grads, c.grad_pairs);
            sum_products_bf16(add, &c, padded / 2, weight_grads);
            multiply_strips_bf16(padded, c.grads, high / 2, c.backward, columns / 2, units, c.h, wide);
        }
#endif
        if (!o->paired) {
            multiply_strips_f32(padded, c.h, wide, c.forward, units, columns, c.logits, high);
            differentiate(o, &c, first, n, bias_grads, &loss);
            sum_products_f32(add, &c, n, weight_grads);
            memset(c.logits + n * high, 0, (padded - n) * high * sizeof(float));
            multiply_strips_f32(padded, c.logits, high, c.backward, columns, units, c.h, wide);
        }
        put_grads(o, &c, first, n);
        add = 1;
    }
    if (!add) memset(weight_grads, 0, columns * units * sizeof(float));
    o->losses[number] = loss;
    restore(before);
}

/* Add the other threads' gradients to those of the first: the share of thread `number` of `threads`. */
void charloom_collect_output(const struct output *o, int64_t number, int64_t threads)
{
    const size_t columns = (o->vocabulary + UNITS - 1) / UNITS, size = columns * (o->units + 1), parts = o->parts;
    for (size_t at = size * number / threads; at < size * (number + 1) / threads; at++)
        for (size_t part = 1; part < parts; part++) {
            float *to = o->grads + at * UNITS;
            vstore(to, vadd(vload(to), vload(to + part * size * UNITS)));
        }
}
