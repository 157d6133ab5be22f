/* Products of bfloat16 with sums in float32: pair by pair, and by the tiles of AMX where the compiler has them.
 *
 * Weights are kept in tiles of 32 rows by 16 columns, two rows side by side: (depth / 32, 4 gates, 16, 16, 2).
 */
enum { TILE_ROWS = 16, DEPTH = 32, TILE = DEPTH * 16 };

/* Put the product of up to 6 rows with 64 columns at `to`, rows `to_stride` apart. */
NOINLINE void multiply_bf16(size_t n, const bf16 *rows, size_t stride, const bf16 *weights, size_t depth, float *to,
                            size_t to_stride)
{
    WITH_COUNT(n, {
        enum { groups = GROUPS(count) };
        for (int first = 0; first < GATES; first += groups) {
            vec sums[MAX_ROWS][GATES];
            UNROLLED(r, count) UNROLLED(g, groups) sums[r][g] = vsplat(0.0f);
            for (size_t k = 0; k < depth; k += DEPTH)
                add_product(1, count, groups, (const float *)(rows + k), stride / 2, 1,
                            (const float *)(weights + k * BLOCK + first * TILE), 16, TILE / 2, DEPTH / 2, sums);
            UNROLLED(r, count) UNROLLED(g, groups) vstore(to + r * to_stride + (first + g) * UNITS, sums[r][g]);
        }
    })
}

#ifdef __AMX_BF16__
/* The settings of tiles, as the processor reads them. */
struct tile_config {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} __attribute__((aligned(64)));

/* Tiles 0 and 1 are sums of the upper rows, 2 and 3 of the lower, 4 and 5 the rows themselves, 6 and 7 weights. With no
 * lower rows, 0 to 3 are sums of the upper ones, 4 these rows. */
static void use_tiles(size_t upper, size_t lower)
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

INLINE void zero_sums(void)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

/* The product of up to 16 rows with 64 columns. */
static void multiply_tiles(const bf16 *rows, size_t stride, const bf16 *weights, size_t depth, float *to,
                           size_t to_stride)
{
    zero_sums();
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
    _tile_stored(1, to + 16, to_stride * sizeof(float));
    _tile_stored(2, to + 32, to_stride * sizeof(float));
    _tile_stored(3, to + 48, to_stride * sizeof(float));
}

/* The same for up to 32 rows, the lower ones from `below` on: each tile of weights is loaded once for both. */
static void multiply_tiles_twice(const bf16 *rows, size_t below, size_t stride, const bf16 *weights, size_t depth,
                                 float *to, size_t to_stride)
{
    for (int pair = 0; pair < 2; pair++) {
        float *at = to + pair * 32;
        zero_sums();
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
        _tile_stored(1, at + 16, to_stride * sizeof(float));
        _tile_stored(2, at + below * to_stride, to_stride * sizeof(float));
        _tile_stored(3, at + below * to_stride + 16, to_stride * sizeof(float));
    }
}

/* Whichever fits n rows; *set is the n that the tiles were last set for, 0 at first. */
INLINE void multiply_in_tiles(size_t *set, size_t n, const bf16 *rows, size_t stride, const bf16 *weights,
                              size_t depth, float *to, size_t to_stride)
{
    const size_t upper = n > TILE_ROWS ? (n + 1) / 2 : n;
    if (n != *set) use_tiles(upper, n - upper);
    *set = n;
    if (n > upper) multiply_tiles_twice(rows, upper, stride, weights, depth, to, to_stride);
    else multiply_tiles(rows, stride, weights, depth, to, to_stride);
}
#endif
