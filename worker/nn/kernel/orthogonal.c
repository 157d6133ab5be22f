/* About the nearest orthogonal matrix, by Newton and Schulz's iteration: Muon's step (worker/nn/optimizer.py).
 *
 * A round takes X, H x H, to X (a + b G + c G G) with G = X' X. G and what is in brackets are symmetric, so only half of
 * their blocks are computed, the others copied: two products' work instead of three's.
 *
 * All matrices are kept in strips of 16 columns, row by row, which a product reads as they are, from either side:
 *
 *      strip 0: [row 0: 16 numbers][row 1: 16 numbers] ... [row H - 1]   strip 1: ...                  H / 16 strips
 *
 * H is a multiple of 32.
 */
#include "vectors.h"

/* Rows of the right matrix that are multiplied at once: with as many of the left one they fit the nearest cache. */
enum { DEPTH_AT_ONCE = 192 };

INLINE size_t smaller_of(size_t a, size_t b) { return a < b ? a : b; }

/* to[r][16 `groups` columns] += the product of `count` rows of the left matrix with as many columns of the right one,
 * over `depth` numbers: rows as they are, or columns instead of rows. */
INLINE void add_tile(const int count, const int groups, const int columns, size_t units, size_t depth,
                     const float *left, const float *right, float *to)
{
    const size_t apart = units * UNITS;
    vec sums[MAX_ROWS][GATES];
    UNROLLED(r, count) UNROLLED(g, groups) sums[r][g] = vload(to + g * apart + r * UNITS);
    if (columns) add_product(count, groups, left, 1, UNITS, right, UNITS, apart, depth, sums);
    else
        for (size_t k = 0; k < depth; k += UNITS)
            add_product(count, groups, left + k * units, UNITS, 1, right + k * UNITS, UNITS, apart, UNITS, sums);
    UNROLLED(r, count) UNROLLED(g, groups) vstore(to + g * apart + r * UNITS, sums[r][g]);
}

/* The same for rows first..first + 15 of the product. */
INLINE void add_rows(const int groups, const int columns, size_t units, size_t first, size_t k, size_t depth,
                     const float *left, const float *right, float *to)
{
    const float *from = columns ? left + first * units + k * UNITS : left + k * units + first * UNITS;
    right += k * UNITS;
    to += first * UNITS;
    const size_t step = columns ? 1 : UNITS;
    add_tile(6, groups, columns, units, depth, from, right, to);
    add_tile(5, groups, columns, units, depth, from + 6 * step, right, to + 6 * UNITS);
    add_tile(5, groups, columns, units, depth, from + 11 * step, right, to + 11 * UNITS);
}

/* to = the product of two matrices, of the left one's columns if `columns`; of a symmetric product the blocks above the
 * diagonal and on it. */
INLINE void multiply(const int columns, const int symmetric, size_t units, const float *left, const float *right,
                     float *to)
{
    memset(to, 0, units * units * sizeof(float));
    for (size_t column = 0; column < units; column += OUTER * UNITS) {
        const size_t end = symmetric ? smaller_of(column + OUTER * UNITS, units) : units;
        for (size_t k = 0; k < units; k += DEPTH_AT_ONCE) {
            const size_t depth = smaller_of(DEPTH_AT_ONCE, units - k), at = column * units;
            for (size_t row = 0; row < end; row += UNITS)
                if (units - column >= OUTER * UNITS)
                    add_rows(OUTER, columns, units, row, k, depth, left, right + at, to + at);
                else add_rows(2, columns, units, row, k, depth, left, right + at, to + at);
        }
    }
}

NOINLINE void gram_of(size_t units, const float *x, float *to) { multiply(1, 1, units, x, x, to); }
NOINLINE void square_of(size_t units, const float *gram, float *to) { multiply(0, 1, units, gram, gram, to); }
NOINLINE void product_of(size_t units, const float *x, const float *y, float *to) { multiply(0, 0, units, x, y, to); }

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

/* square = a + b gram + c square, above the diagonal and on it. */
NOINLINE void make_polynomial(size_t units, const float *coefficients, const float *gram, float *square)
{
    const vec b = vsplat(coefficients[1]), c = vsplat(coefficients[2]);
    for (size_t column = 0; column < units; column += UNITS) {
        const float *from = gram + column * units;
        float *to = square + column * units;
        for (size_t at = 0; at < (column + UNITS) * UNITS; at += UNITS)
            vstore(to + at, vfma(b, vload(from + at), vmul(c, vload(to + at))));
        for (size_t unit = 0; unit < UNITS; unit++) to[(column + unit) * UNITS + unit] += coefficients[0];
    }
}

/* Make a matrix whose singular values are at most 1 about orthogonal in so many rounds.
 *
 * coefficients: (rounds, 3), a, b and c; matrix: (H, H); scratch: (3, H, H).
 */
void charloom_orthogonal(int64_t units, int64_t rounds, const float *coefficients, float *matrix, float *scratch)
{
    const size_t n = units, size = n * n;
    const fp_mode before = flush_denormals();
    float *x = scratch, *gram = scratch + size, *square = gram + size;
    for (size_t column = 0; column < n; column += UNITS)
        for (size_t row = 0; row < n; row++)
            vstore(x + column * n + row * UNITS, vload(matrix + row * n + column));
    for (int64_t round = 0; round < rounds; round++) {
        gram_of(n, x, gram);
        mirror(n, gram);
        square_of(n, gram, square);
        make_polynomial(n, coefficients + 3 * round, gram, square);
        mirror(n, square);
        product_of(n, x, square, gram);
        float *made = gram;
        gram = x;
        x = made;
    }
    for (size_t column = 0; column < n; column += UNITS)
        for (size_t row = 0; row < n; row++)
            vstore(matrix + row * n + column, vload(x + column * n + row * UNITS));
    restore(before);
}
