/* The layer's steps with products of eight bits (eight.h): what lstm.c does in the other kinds, whose structures and copies
 * these are.
 *
 * h is rounded to steps of 1 / LIFTED. Gradients of gate sums are rounded twice: times the scales of the weights, by row, for
 * the product with these; and by place, for the gradients of the weights, whose products sum over places: there the
 * place's scale goes into h.
 */
/* Whether h and gates are kept in bfloat16: where the family has that; else in float32. */
enum { KEPT = BFLOAT16 };

/* A thread's scratch of EIGHT. */
struct eight {
    uint8_t *h;          /* (2, B, H): lifted, before and after a position */
    float *grads;        /* (4, G): of the gate sums of some rows at a position */
    int8_t *rows;        /* (B, G): of all rows, times the scales of the weights, rounded */
    int32_t *begins;     /* (B): what sums of products with these begin with */
    float *row_scales;   /* (B): what these are multiplied by */
    float *place_scales; /* (PITCH, 4): what the copied gradients of a row at a position are multiplied by */
    int32_t *unit_begins; /* (H): what sums of products with the copied units begin with */
};

static struct eight eight_of(const struct sequence *s, size_t number)
{
    const size_t units = s->units, rows = s->rows, sums = GATES * units;
    float *at = s->eight + number * s->eight_room;
    struct eight e = {.h = (uint8_t *)at, .grads = at, .rows = (int8_t *)(at + FOUR * sums)};
    e.begins = (int32_t *)(e.rows + rows * sums);
    e.row_scales = (float *)(e.begins + rows);
    e.place_scales = e.row_scales + rows;
    e.unit_begins = (int32_t *)(e.place_scales + PITCH * FOUR);
    return e;
}

NOINLINE void cells_eight(const struct sequence *s, size_t t, size_t first, size_t n, size_t block, const float *sums,
                          uint8_t *lifted)
{
    cells(KEPT, s, t, first, n, block, sums, lifted);
}

/* Lift h of the rows from..to - 1 before the first position, where it may be given out of bounds. */
static void lift_first(const struct sequence *s, const struct eight *e, size_t from, size_t to)
{
    for (size_t at = from * s->units; at < to * s->units; at += UNITS) {
        const vec h = vmax(vmin(get(KEPT, s->h, at), vsplat(1.0f)), vsplat(-1.0f));
        put(KEPT, s->h, at, h);
        lift(e->h + at, h);
    }
}

/* Position t of the rows from..to - 1. */
static void forward_step_eight(const struct sequence *s, const struct eight *e, size_t t, size_t from, size_t to)
{
    const size_t units = s->units, step = height(to - from, EIGHT_ROWS), all = s->rows * units;
    const uint8_t *before = e->h + t % 2 * all;
    float inverse[MAX_ROWS];
    UNROLLED(r, MAX_ROWS) inverse[r] = 1.0f / LIFTED;
    for (size_t block = 0; block < units / UNITS; block++) {
        const int8_t *weights = (const int8_t *)s->weights + block * BLOCK * units;
        for (size_t first = from; first < to; first += step) {
            float sums[MAX_ROWS * BLOCK] __attribute__((aligned(64)));
            const size_t n = to - first < step ? to - first : step;
            multiply_forward(n, before + first * units, units, weights, units, s->begins + block * BLOCK, inverse,
                             s->scales + block * BLOCK, sums, BLOCK);
            cells_eight(s, t, first, n, block, sums, e->h + (t + 1) % 2 * all);
        }
    }
}

INLINE vec size_of(vec x) { return vmax(x, vsub(vsplat(0.0f), x)); }

/* The same as cells_back, with copies in fours of rows, rounded. */
NOINLINE void cells_back_eight(const struct sequence *s, const struct eight *e, size_t t, size_t from, size_t to,
                               const float *dhs, size_t padded, float *dcs, float *table, float *copies, size_t n)
{
    const size_t units = s->units, sums = GATES * units;
    for (size_t first = from; first < to; first += FOUR, n++) {
        const size_t count = to - first < FOUR ? to - first : FOUR;
        vec factors[FOUR], row_factors[FOUR];
        ivec totals[FOUR];
        for (size_t r = 0; r < FOUR; r++) {
            const size_t row = first + r, place = t * s->rows + row;
            float *to_grads = e->grads + r * sums;
            vec most = vsplat(0.0f), weighted = most;
            if (r >= count) memset(to_grads, 0, sums * sizeof(float));
            for (size_t block = 0; r < count && block < units / UNITS; block++) {
                float *of_table = table ? table + (size_t)s->index[place] * sums + block * BLOCK : NULL;
                vec grads[GATES];
                cell_grads(KEPT, s, t, row, block, dhs, padded, dcs, grads);
                UNROLLED(gate, GATES) {
                    const size_t sum = block * BLOCK + gate * UNITS;
                    const vec size = size_of(grads[gate]);
                    vstore(to_grads + sum, grads[gate]);
                    most = vmax(most, size);
                    weighted = vmax(weighted, vmul(size, vload(s->scales + sum)));
                    if (of_table) vstore(of_table + gate * UNITS, vadd(vload(of_table + gate * UNITS), grads[gate]));
                    else put(KEPT, s->gates, place * s->stride + sum, grads[gate]);
                }
            }
            const float largest = largest_of(most), of_row = largest_of(weighted);
            factors[r] = vsplat(factor_of(largest, LIFTED));
            row_factors[r] = vsplat(factor_of(of_row, LARGEST));
            totals[r] = isplat(0);
            e->place_scales[n * FOUR + r] = largest / LIFTED;
            /* The scales are those of weights that aren't lifted, but these are. */
            if (r < count) e->row_scales[row] = of_row / LIFTED;
        }
        for (size_t sum = 0; sum < sums; sum += UNITS) {
            const vec scales = vload(s->scales + sum);
            vec numbers[FOUR];
            UNROLLED(r, FOUR) numbers[r] = vload(e->grads + r * sums + sum);
            if (copies) istore(copied_sums(copies, sum, n), four_of(numbers, factors, LIFT, NULL));
            for (size_t r = 0; r < count; r++) {
                const ivec rounded = iround(vmul(vmul(numbers[r], scales), row_factors[r]));
                bstore(e->rows + (first + r) * sums + sum, rounded);
                totals[r] = iadd(totals[r], rounded);
            }
        }
        for (size_t r = 0; r < count; r++) e->begins[first + r] = -LIFT * isum_of(totals[r]);
    }
}

/* Copy h before `positions` positions from t on of the rows from..to - 1, in fours of rows, times the place's scale.
 * Returns what products of the copies are multiplied by. */
NOINLINE float copy_fours(const struct sequence *s, const struct eight *e, size_t t, size_t positions, size_t from,
                          size_t to, float *copies)
{
    const size_t units = s->units, each = (to - from + FOUR - 1) / FOUR, n = positions * each;
    float most = 0;
    for (size_t i = 0; i < n * FOUR; i++) most = e->place_scales[i] > most ? e->place_scales[i] : most;
    for (size_t unit = 0; unit < units; unit += UNITS) {
        ivec total = isplat(0);
        for (size_t i = 0; i < n; i++) {
            const size_t first = from + i % each * FOUR;
            const size_t at = ((t + i / each) * s->rows + first) * units + unit;
            vec numbers[FOUR], factors[FOUR];
            UNROLLED(r, FOUR) {
                numbers[r] = first + r < to ? get(KEPT, s->h, at + r * units) : vsplat(0.0f);
                factors[r] = vsplat(most > 0 ? e->place_scales[i * FOUR + r] / most * LARGEST : 0);
            }
            istore(copied_units(copies, units, unit, i), four_of(numbers, factors, 0, &total));
        }
        int32_t sums[UNITS];
        istore(sums, total);
        for (size_t u = 0; u < UNITS; u++) e->unit_begins[unit + u] = -LIFT * sums[u];
    }
    return most / LARGEST;
}

/* The same as sum_weight_grads, of n fours of rows. */
NOINLINE void sum_weight_grads_eight(int add, size_t units, size_t n, const int32_t *begins, float scale, float *copies,
                                     float *sum)
{
    for (size_t gate = 0; gate < GATES * units; gate += UNITS)
        for (size_t column = 0; column < units; column += WIDTH) {
            const float *left = copied_sums(copies, gate, 0), *right = copied_units(copies, units, column, 0);
            float *to = sum + torch_row(gate, units) * units + column;
#define FOURS(groups) put_sixteen_fours(groups, add, n, left, UNITS, right, WIDTH, begins + column, scale, to, units)
            if (units - column >= WIDTH) FOURS(OUTER);
            else FOURS(2);
#undef FOURS
        }
}

/* dhs = gradients of the gate sums of a position times the weights: of h before that position. */
static void backward_step_eight(const struct sequence *s, const struct eight *e, size_t from, size_t to, float *dhs,
                                size_t padded)
{
    const size_t depth = GATES * s->units, step = height(to - from, EIGHT_ROWS);
    for (size_t column = 0; column < padded; column += BLOCK) {
        const int8_t *weights = (const int8_t *)s->weights + column * depth;
        for (size_t first = from; first < to; first += step) {
            const size_t n = to - first < step ? to - first : step;
            multiply_backward(n, e->rows + first * depth, depth, weights, depth, e->begins + first, e->row_scales + first,
                              dhs + first * padded + column, padded);
        }
    }
}
