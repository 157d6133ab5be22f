/* What a step does to a layer's weights before their products: some are dropped, all are packed, and the first layer's
 * table is made, which holds for each character what enters the gate sums. And to their gradients afterwards.
 *
 * Shapes: H units (a multiple of 32), G = 4 H gate sums, V characters, E numbers for each (a multiple of 16); the layout
 * is drawn in vectors.h. Weights and their gradients are in torch's order.
 */
#include "vectors.h"
#if BFLOAT16
#include "bfloat16.h"
#endif
#if EIGHT_BITS
#include "eight.h"
#endif

#ifdef __AMX_BF16__
#include <sys/syscall.h>
#include <unistd.h>

/* Ask the kernel of the system for the tiles' registers. Returns 0 where it gives them. */
int charloom_ask_for_tiles(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) ? 1 : 0;
}
#endif

/* Columns of a strip of weights. */
const int64_t charloom_strip = STRIP;

/* A layer's weights. */
struct weights {
    int64_t kind, units;
    const float *recurrent; /* (G, H) */
    double share;           /* of these that is dropped, the others are scaled up: the seed says which */
    uint32_t seed;
    void *forward;          /* packed: G columns of H rows, and */
    void *backward;         /* H rounded up to 64 columns of G rows, zeros behind the last. In the tiles of bfloat16.h, or in
                               the strips of eight.h, then columns are scaled, and rows of the others lifted: */
    float *scales;          /* (G), and */
    int32_t *begins;        /* (G), what forward sums begin with */
    int64_t vocabulary, width; /* V and E */
    const float *characters;   /* (V, E), or NULL: there is no table */
    const float *inputs;       /* (G, E) */
    const float *biases[2];    /* (G) each, summed up */
    float *table;              /* (V, G) in the kernel's order, to be filled */
    float *scratch;            /* (threads, 64 E, or 20 H if that is more) */
};

/* Their gradients. */
struct weight_grads {
    int64_t units, parts;
    float *recurrent; /* (parts, G, H), or NULL: of each part of the batch; becomes their sum in place of the first */
    double share;     /* what was dropped has no gradient */
    uint32_t seed;
    int64_t vocabulary, width, table_parts;
    const float *table;      /* (table_parts, V, G), or NULL: there was none */
    const float *characters; /* as they were */
    const float *inputs;
    float *character_grads;  /* (V, E), to be filled, or NULL */
    float *input_grads;      /* (G, E), to be filled */
    float *bias_grads;       /* (G), to be filled: of either bias */
    float *scratch;          /* (threads, 16 V + 6 (G + E)) */
};

/* 32 bits for each number that depend on its place and the seed alone: the finaliser of MurmurHash3 (Appleby, 2011). */
INLINE uint32_t scrambled(uint32_t x)
{
    x = (x ^ x >> 16) * 0x85EBCA6Bu;
    x = (x ^ x >> 13) * 0xC2B2AE35u;
    return x ^ x >> 16;
}

/* Drop this share of n numbers, the first of which is at place `first`, and scale the others up. The same seed drops the
 * same places. */
NOINLINE void drop(size_t first, size_t n, uint32_t seed, double share, float *numbers)
{
    const uint32_t limit = (uint32_t)(share * 4294967296.0);
    const float scale = (float)(1 / (1 - share));
    for (size_t i = 0; i < n; i++) {
        const float number = numbers[i];
        numbers[i] = (scrambled(scrambled((uint32_t)(first + i)) ^ seed) >= limit ? number : 0.0f) * scale;
    }
}

/* Turn sixteen rows of `depth` numbers into columns, STRIP numbers from one row of them to the next. */
NOINLINE void turn(size_t depth, const float *rows, float *to)
{
    for (size_t k = 0; k < depth; k++)
        for (size_t u = 0; u < UNITS; u++) to[k * STRIP + u] = rows[u * depth + k];
}

/* Pack sixteen rows, which belong to gate sums n..n + 15, for both directions. */
static void pack_f32(size_t units, size_t n, const float *rows, float *forward, float *backward)
{
    const size_t all = GATES * units, padded = (units + BLOCK - 1) / BLOCK * BLOCK;
    turn(units, rows, forward + column_place(n, units));
    for (size_t column = 0; column < padded; column += UNITS) {
        float *to = backward + column_place(column, all) + n * STRIP;
        for (size_t r = 0; r < UNITS; r++)
            vstore(to + r * STRIP, column < units ? vload(rows + r * units + column) : vsplat(0.0f));
    }
}

#if BFLOAT16
static void pack_bf16(size_t units, size_t n, const float *rows, bf16 *forward, bf16 *backward)
{
    const size_t all = GATES * units, padded = (units + BLOCK - 1) / BLOCK * BLOCK;
    forward += n / BLOCK * BLOCK * units + n % BLOCK / UNITS * TILE;
    for (size_t k = 0; k < units; k += 2) {
        float first[UNITS], second[UNITS];
        for (size_t u = 0; u < UNITS; u++) {
            first[u] = rows[u * units + k];
            second[u] = rows[u * units + k + 1];
        }
        pstore(forward + k / DEPTH * DEPTH * BLOCK + k % DEPTH * UNITS, vload(first), vload(second));
    }
    for (size_t column = 0; column < padded; column += UNITS) {
        bf16 *to = backward + column / BLOCK * BLOCK * all + n / DEPTH * DEPTH * BLOCK + column % BLOCK / UNITS * TILE
                   + n % DEPTH * UNITS;
        for (size_t r = 0; r < UNITS; r += 2) {
            const float *row = rows + r * units + column;
            if (column < units) pstore(to + r * UNITS, vload(row), vload(row + units));
            else memset(to + r * UNITS, 0, 2 * UNITS * sizeof(bf16));
        }
    }
}
#endif

#if EIGHT_BITS
/* Sixteen rows rounded to eight bits. */
static void pack_eight(const struct weights *w, size_t n, const float *rows, int8_t *rounded)
{
    const size_t units = w->units, all = GATES * units, padded = (units + BLOCK - 1) / BLOCK * BLOCK;
    int32_t *forward = (int32_t *)((int8_t *)w->forward + fours_place(n, units));
    vec factors[UNITS]; /* of the lifted ones */
    for (size_t r = 0; r < UNITS; r++) {
        vec most = vsplat(0.0f), sum = most;
        ivec total = isplat(0);
        for (size_t k = 0; k < units; k += UNITS) {
            const vec x = vload(rows + r * units + k);
            most = vmax(most, vmax(x, vsub(vsplat(0.0f), x)));
            sum = vadd(sum, vmul(x, vsplat(0.0f)));
        }
        const float largest = largest_of(most);
        const vec factor = vsplat(factor_of(largest, LARGEST));
        factors[r] = vsplat(factor_of(largest, LIFTED));
        w->scales[n + r] = largest / LARGEST + sum_of(sum); /* NaN, if a weight isn't finite */
        for (size_t k = 0; k < units; k += UNITS) {
            const ivec x = iround(vmul(vload(rows + r * units + k), factor));
            total = iadd(total, x);
            bstore(rounded + r * units + k, x);
        }
        w->begins[n + r] = -LIFT * isum_of(total);
    }
    for (size_t k = 0; k < units; k += FOUR)
        for (size_t r = 0; r < UNITS; r++) memcpy(forward + k / FOUR * STRIP + r, rounded + r * units + k, FOUR);
    for (size_t column = 0; column < padded; column += UNITS)
        for (size_t r = 0; r < UNITS; r += FOUR) {
            int8_t *to = (int8_t *)w->backward + fours_place(column, all) + (n + r) * STRIP;
            vec numbers[FOUR];
            for (size_t i = 0; i < FOUR; i++)
                numbers[i] = column < units ? vload(rows + (r + i) * units + column) : vsplat(0.0f);
            istore(to, four_of(numbers, factors + r, LIFT, NULL));
        }
}
#endif

/* The table's columns of one block. */
static void fill_table(const struct weights *w, size_t block, float *scratch)
{
    const size_t sums = GATES * w->units, width = w->width;
    float *to = w->table + block * BLOCK;
    vec begin[GATES];
    UNROLLED(gate, GATES) {
        const size_t row = torch_row(block * BLOCK + gate * UNITS, w->units);
        turn(width, w->inputs + row * width, scratch + column_place(gate * UNITS, width));
        begin[gate] = vadd(vload(w->biases[0] + row), vload(w->biases[1] + row));
    }
    for (size_t n = 0; n < (size_t)w->vocabulary; n++)
        UNROLLED(gate, GATES) vstore(to + n * sums + gate * UNITS, begin[gate]);
    multiply_f32(1, w->vocabulary, w->characters, width, scratch, width, to, sums);
}

/* Drop, pack and fill the table: the share of thread `number` of `threads`. */
void charloom_pack(const struct weights *w, int64_t number, int64_t threads)
{
    const size_t units = w->units, width = w->width, blocks = units / UNITS;
    const size_t of_rows = (UNITS + UNITS / sizeof(float)) * units; /* as float32, and rounded to eight bits */
    float *scratch = w->scratch + number * (BLOCK * width > of_rows ? BLOCK * width : of_rows);
    const fp_mode before = flush_denormals();
    for (size_t block = blocks * number / threads; block < blocks * (number + 1) / threads; block++) {
        for (size_t n = block * BLOCK; n < (block + 1) * BLOCK; n += UNITS) {
            const size_t first = torch_row(n, units) * units;
            const float *rows = w->recurrent + first;
            if (w->share > 0) {
                memcpy(scratch, rows, UNITS * units * sizeof(float));
                drop(first, UNITS * units, w->seed, w->share, scratch);
                rows = scratch;
            }
            if (w->kind == FLOAT32) pack_f32(units, n, rows, w->forward, w->backward);
#if EIGHT_BITS
            else if (w->kind == EIGHT) pack_eight(w, n, rows, (int8_t *)(scratch + UNITS * units));
#endif
#if BFLOAT16
            else pack_bf16(units, n, rows, w->forward, w->backward);
#endif
        }
        if (w->characters) fill_table(w, block, scratch);
    }
    restore(before);
}

/* Add up the parts of this share of the recurrent weights' gradients. */
static void sum_recurrent(const struct weight_grads *w, size_t number, size_t threads)
{
    const size_t units = w->units, size = GATES * units * units, end = size / UNITS * (number + 1) / threads * UNITS;
    enum { SOME = 2048 };
    for (size_t at = size / UNITS * number / threads * UNITS, n; at < end; at += n) {
        float *to = w->recurrent + at;
        n = end - at < SOME ? end - at : SOME;
        for (int64_t part = 1; part < w->parts; part++)
            for (size_t i = 0; i < n; i += UNITS) vstore(to + i, vadd(vload(to + i), vload(to + part * size + i)));
        if (w->share > 0) drop(at, n, w->seed, w->share, to);
    }
}

/* Sixteen gradients of the table: the sum of all parts. */
INLINE vec table_grad(const struct weight_grads *w, size_t character, size_t sum)
{
    const size_t sums = GATES * w->units;
    const float *from = w->table + character * sums + sum;
    vec total = vload(from);
    for (int64_t part = 1; part < w->table_parts; part++) total = vadd(total, vload(from + part * w->vocabulary * sums));
    return total;
}

/* The gradients of the input weights and biases of one block, from the table's. */
static void input_grads(const struct weight_grads *w, size_t block, float *scratch)
{
    const size_t characters = w->vocabulary, width = w->width;
    UNROLLED(gate, GATES) {
        const size_t sum = block * BLOCK + gate * UNITS, row = torch_row(sum, w->units);
        vec total = vsplat(0.0f);
        for (size_t n = 0; n < characters; n++) {
            const vec grad = table_grad(w, n, sum);
            vstore(scratch + n * UNITS, grad);
            total = vadd(total, grad);
        }
        vstore(w->bias_grads + row, total);
        for (size_t at = 0, groups; at < width; at += groups * UNITS) {
            float *to = w->input_grads + row * width + at;
            groups = width - at >= OUTER * UNITS ? OUTER : 1;
            if (groups == OUTER) put_sixteen(0, OUTER, 0, characters, scratch, UNITS, w->characters + at, width, to, width);
            else put_sixteen(0, 1, 0, characters, scratch, UNITS, w->characters + at, width, to, width);
        }
    }
}

/* The gradients of up to six characters from `first` on, from the table's. */
static void character_grads(const struct weight_grads *w, size_t first, size_t count, float *scratch)
{
    const size_t sums = GATES * w->units, width = w->width;
    float *made = scratch + MAX_ROWS * sums;
    for (size_t n = 0; n < MAX_ROWS; n++)
        for (size_t sum = 0; sum < sums; sum += UNITS)
            vstore(scratch + n * sums + torch_row(sum, w->units), n < count ? table_grad(w, first + n, sum) : vsplat(0.0f));
    for (size_t at = 0, groups; at < width; at += groups * UNITS) {
        groups = width - at >= OUTER * UNITS ? OUTER : 1;
        if (groups == OUTER)
            put_product(0, MAX_ROWS, OUTER, 0, scratch, sums, 1, w->inputs + at, width, UNITS, sums, made + at, width);
        else put_product(0, MAX_ROWS, 1, 0, scratch, sums, 1, w->inputs + at, width, UNITS, sums, made + at, width);
    }
    memcpy(w->character_grads + first * width, made, count * width * sizeof(float));
}

/* Add up the gradients of all parts, and make of the table's those of what it was made of: the share of thread `number`
 * of `threads`. */
void charloom_collect(const struct weight_grads *w, int64_t number, int64_t threads)
{
    const size_t blocks = w->units / UNITS, characters = w->vocabulary, end = characters * (number + 1) / threads;
    float *scratch = w->scratch + number * (characters * UNITS + MAX_ROWS * (GATES * w->units + w->width));
    const fp_mode before = flush_denormals();
    if (w->recurrent) sum_recurrent(w, number, threads);
    if (w->table)
        for (size_t block = blocks * number / threads; block < blocks * (number + 1) / threads; block++)
            input_grads(w, block, scratch);
    if (w->character_grads)
        for (size_t n = characters * number / threads; n < end; n += MAX_ROWS)
            character_grads(w, n, end - n < MAX_ROWS ? end - n : MAX_ROWS, scratch);
    restore(before);
}
