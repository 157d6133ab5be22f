/* Muon's steps (worker/nn/optimizer.py): weights minus about the orthogonal matrix nearest to the averaged gradient, by
 * Newton and Schulz's iteration.
 *
 * A round takes X, H x H, to X (a + b G + c G G) with G = X' X. G and what is in brackets are symmetric, so only half of
 * their blocks are computed, the others copied: two products' work instead of three's.
 *
 * Rounds are few if the largest singular value is near 1 before the first, and it must not be above. Frobenius' norm, the
 * root of the sum of all singular values squared, is far above the largest. That of G G holds their eighth powers, so its
 * fourth root is near it, and G G is there anyway.
 *
 * All matrices are kept in strips of 16 columns, row by row, which a product reads as they are, from either side:
 *
 *      strip 0: [row 0: 16 numbers][row 1: 16 numbers] ... [row H - 1]   strip 1: ...                  H / 16 strips
 *
 * Where products are in bfloat16, they read copies: pairs of rows, or, for the left matrix of a product by rows, pairs of
 * columns. An element is a pair then, and there are half as many rows, or columns.
 *
 *      strip 0: [rows 0 and 1: 16 pairs][rows 2 and 3] ...        strip 0: [row 0: columns 0 and 1, 2 and 3, ...][row 1] ...
 *
 * H is a multiple of 32.
 */
#include "clip.h"
#include "vectors.h"

/* Elements of the right matrix's columns that are multiplied at once: with as many of the left one they fit the nearest
 * cache. */
enum { DEPTH_AT_ONCE = 192 };

INLINE size_t smaller_of(size_t a, size_t b) { return a < b ? a : b; }

/* Elements of a row in a strip. */
INLINE size_t width(const int paired) { return paired ? UNITS / 2 : UNITS; }

/* to[r][16 `groups` columns] += the product of `count` rows of the left matrix with as many columns of the right one,
 * over `depth` elements of `length`: rows as they are, or columns instead of rows. */
INLINE void add_tile(const int paired, const int count, const int groups, const int columns, size_t units,
                     size_t length, size_t depth, const float *left, const float *right, float *to)
{
    const size_t apart = length * UNITS, wide = width(paired);
    vec sums[MAX_ROWS][GATES];
    UNROLLED(r, count) UNROLLED(g, groups) sums[r][g] = vload(to + g * units * UNITS + r * UNITS);
    if (columns) add_product(paired, count, groups, left, 1, UNITS, right, UNITS, apart, depth, sums);
    else
        for (size_t k = 0; k < depth; k += wide)
            add_product(paired, count, groups, left + k * units, wide, 1, right + k * UNITS, UNITS, apart, wide, sums);
    UNROLLED(r, count) UNROLLED(g, groups) vstore(to + g * units * UNITS + r * UNITS, sums[r][g]);
}

/* The same for rows first..first + 15 of the product, from element k on. */
INLINE void add_rows(const int paired, const int groups, const int columns, size_t units, size_t length, size_t first,
                     size_t k, size_t depth, const float *left, const float *right, float *to)
{
    const size_t step = columns ? 1 : width(paired);
    const float *from = columns ? left + first * length + k * UNITS : left + k * units + first * step;
    right += k * UNITS;
    to += first * UNITS;
    add_tile(paired, 6, groups, columns, units, length, depth, from, right, to);
    add_tile(paired, 5, groups, columns, units, length, depth, from + 6 * step, right, to + 6 * UNITS);
    add_tile(paired, 5, groups, columns, units, length, depth, from + 11 * step, right, to + 11 * UNITS);
}

/* to += the product of two matrices; if `columns`, that of a matrix's columns with themselves, which is symmetric: the
 * blocks above the diagonal and on it. `to` is in float32, the others are pairs if `paired`. */
INLINE void add_matrices(const int paired, const int columns, size_t units, const float *left, const float *right,
                         float *to)
{
    const size_t length = paired ? units / 2 : units;
    for (size_t column = 0; column < units; column += OUTER * UNITS) {
        const size_t end = columns ? smaller_of(column + OUTER * UNITS, units) : units;
        for (size_t k = 0; k < length; k += DEPTH_AT_ONCE) {
            const size_t depth = smaller_of(DEPTH_AT_ONCE, length - k);
            const float *strips = right + column * length;
            float *at = to + column * units;
            for (size_t row = 0; row < end; row += UNITS)
                if (units - column >= OUTER * UNITS)
                    add_rows(paired, OUTER, columns, units, length, row, k, depth, left, strips, at);
                else add_rows(paired, 2, columns, units, length, row, k, depth, left, strips, at);
        }
    }
}

/* to = X' X, which is the square of a symmetric matrix, too. */
NOINLINE void gram_f32(size_t units, const float *x, float *to)
{
    memset(to, 0, units * units * sizeof(float));
    add_matrices(0, 1, units, x, x, to);
}

NOINLINE void product_f32(size_t units, const float *x, const float *y, float *to)
{
    memset(to, 0, units * units * sizeof(float));
    add_matrices(0, 0, units, x, y, to);
}

#if BFLOAT16
NOINLINE void gram_bf16(size_t units, const float *x, float *to)
{
    memset(to, 0, units * units * sizeof(float));
    add_matrices(1, 1, units, x, x, to);
}

NOINLINE void add_product_bf16(size_t units, const float *x, const float *y, float *to)
{
    add_matrices(1, 0, units, x, y, to);
}

/* to = a multiple of a matrix, as the products read it. */
NOINLINE void scale(size_t size, float factor, const float *matrix, float *to)
{
    for (size_t i = 0; i < size; i += UNITS)
        vstore(to + i, vmul(vsplat(factor), vwiden((const bf16 *)matrix + i)));
}

NOINLINE void pair_rows(size_t size, const float *matrix, float *to)
{
    for (size_t i = 0; i < size; i += 2 * UNITS)
        pstore((bf16 *)to + i, vload(matrix + i), vload(matrix + i + UNITS));
}

NOINLINE void pair_columns(size_t size, const float *matrix, float *to)
{
    for (size_t i = 0; i < size; i += UNITS) vnarrow((bf16 *)to + i, vload(matrix + i));
}
#endif

/* Copy the blocks above the diagonal to those below it. */
NOINLINE void mirror(size_t units, float *matrix)
{
    for (size_t column = 0; column < units; column += UNITS)
        for (size_t row = 0; row < column; row += UNITS) {
            const float *from = matrix + column * units + row * UNITS;
            float *to = matrix + row * units + column * UNITS;
            for (size_t r = 0; r < UNITS; r++)
                for (size_t c = 0; c < UNITS; c++) to[c * UNITS + r] = from[r * UNITS + c];
        }
}

/* square = `first` + b gram + c square, above the diagonal and on it; b and c are the others. */
NOINLINE void make_polynomial(size_t units, float first, const float *others, const float *gram, float *square)
{
    const vec b = vsplat(others[0]), c = vsplat(others[1]);
    for (size_t column = 0; column < units; column += UNITS) {
        const float *from = gram + column * units;
        float *to = square + column * units;
        for (size_t at = 0; at < (column + UNITS) * UNITS; at += UNITS)
            vstore(to + at, vfma(b, vload(from + at), vmul(c, vload(to + at))));
        for (size_t unit = 0; unit < UNITS; unit++) to[(column + unit) * UNITS + unit] += first;
    }
}

/* Sum of the squares of a symmetric matrix of which the blocks above the diagonal and on it are there. Each strip's sum is
 * rounded by itself. */
NOINLINE float sum_of_squares(size_t units, const float *matrix)
{
    vec total = vsplat(0.0f);
    for (size_t column = 0; column < units; column += UNITS) {
        const float *strip = matrix + column * units, *block = strip + column * UNITS;
        vec above = vsplat(0.0f), on = above;
        for (const float *at = strip; at < block; at += UNITS) above = vfma(vload(at), vload(at), above);
        for (const float *at = block; at < block + UNITS * UNITS; at += UNITS) on = vfma(vload(at), vload(at), on);
        total = vadd(total, vfma(vsplat(2.0f), above, on));
    }
    return sum_of(total);
}

/* x = the averaged gradient that looks ahead, in strips, divided by its Frobenius norm. The average is brought up to
 * date. Both averages are rounded as torch's lerp rounds them. */
NOINLINE void average(size_t units, float momentum, float factor, const float *grads, float *averages, float *x)
{
    const vec rest = vsplat(1.0f - momentum);
    vec total = vsplat(0.0f);
    for (size_t row = 0; row < units; row++) {
        vec sum = vsplat(0.0f);
        for (size_t column = 0; column < units; column += UNITS) {
            const size_t at = row * units + column;
            const vec grad = vmul(vsplat(factor), vload(grads + at)), before = vload(averages + at);
            const vec after = vfma(rest, vsub(grad, before), before), ahead = vfnma(rest, vsub(after, grad), after);
            vstore(averages + at, after);
            vstore(x + column * units + row * UNITS, ahead);
            sum = vfma(ahead, ahead, sum);
        }
        total = vadd(total, sum);
    }
    const vec inverse = vsplat(1.0f / (__builtin_sqrtf(sum_of(total)) + 1e-30f));
    for (size_t at = 0; at < units * units; at += UNITS) vstore(x + at, vmul(inverse, vload(x + at)));
}

/* Above the largest singular value of X, by its G G; a little, since products are rounded. Nothing is above zeros. */
static double bound_of(size_t units, const float *square)
{
    const double norm = __builtin_sqrt(sum_of_squares(units, square)) * 1.03;
    return __builtin_sqrt(__builtin_sqrt(norm > 1e-12 ? norm : 1e-12));
}

/* The same coefficients for a matrix that isn't divided by its bound. Their terms nearly cancel, so each is rounded once. */
static void scale_factors(double bound, float factors[3])
{
    const double squared = bound * bound;
    factors[0] = (float)(factors[0] / bound);
    factors[1] = (float)(factors[1] / (squared * bound));
    factors[2] = (float)(factors[2] / (squared * squared * bound));
}

/* What is stepped: n matrices of H x H float32, one after the other. */
struct muon {
    int64_t paired, matrices, units, rounds;
    const float *coefficients; /* (rounds, 3), a, b and c */
    float momentum, kept, size; /* of the averages and of the weights what is kept, and what the step is multiplied by */
    struct clip clip;
    const float *grads;
    float *averages, *weights;
    float *scratch; /* (threads, 3, H, H), where paired (threads, 4, H, H) */
};

/* Make x about orthogonal in so many rounds, the first of which scales it; zeros stay zeros. Returns where the result is:
 * x or `other`. Scratch: (H, H), where paired (2, H, H). */
static float *orthogonal(const struct muon *m, float *x, float *other, float *scratch)
{
    const size_t n = m->units, size = n * n;
    float *gram = other, *square = scratch;
    for (int64_t round = 0; round < m->rounds; round++) {
        float factors[3];
        memcpy(factors, m->coefficients + 3 * round, sizeof factors);
#if BFLOAT16
        float *left = square + size, *right = left + size / 2;
        if (m->paired) {
            pair_rows(size, x, left);
            gram_bf16(n, left, gram);
            mirror(n, gram);
            pair_rows(size, gram, right);
            gram_bf16(n, right, square);
            if (!round) scale_factors(bound_of(n, square), factors);
            make_polynomial(n, 0, factors + 1, gram, square);
            mirror(n, square);
            pair_columns(size, x, left);
            pair_rows(size, square, right);
            scale(size, factors[0], left, gram);
            add_product_bf16(n, left, right, gram);
        }
#endif
        if (!m->paired) {
            gram_f32(n, x, gram);
            mirror(n, gram);
            gram_f32(n, gram, square);
            if (!round) scale_factors(bound_of(n, square), factors);
            make_polynomial(n, factors[0], factors + 1, gram, square);
            mirror(n, square);
            product_f32(n, x, square, gram);
        }
        float *made = gram;
        gram = x;
        x = made;
    }
    (void)size;
    return x;
}

/* Step every matrix of thread `number` of `threads`. */
void charloom_muon(const struct muon *m, int64_t number, int64_t threads)
{
    const size_t n = m->units, size = n * n;
    float *x = m->scratch + number * (m->paired ? 4 : 3) * size;
    const vec kept = vsplat(m->kept), step = vsplat(m->size);
    const float factor = clip_factor(&m->clip);
    const fp_mode before = flush_denormals();
    for (int64_t matrix = number; matrix < m->matrices; matrix += threads) {
        float *weights = m->weights + matrix * size;
        average(n, m->momentum, factor, m->grads + matrix * size, m->averages + matrix * size, x);
        const float *made = orthogonal(m, x, x + size, x + 2 * size);
        for (size_t row = 0; row < n; row++)
            for (size_t column = 0; column < n; column += UNITS) {
                float *at = weights + row * n + column;
                vstore(at, vfnma(step, vload(made + column * n + row * UNITS), vmul(kept, vload(at))));
            }
    }
    restore(before);
}
