/* What a step does to its weights before they are multiplied: some are dropped, all are packed.
 *
 * Shapes: H units (a multiple of 32), G = 4 H gate sums; the layout is drawn in vectors.h.
 */
#include "vectors.h"
#if BFLOAT16
#include "bfloat16.h"
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

/* 32 bits for each number that depend on its place and the seed alone: the finaliser of MurmurHash3 (Appleby, 2011). */
INLINE uint32_t scrambled(uint32_t x)
{
    x = (x ^ x >> 16) * 0x85EBCA6Bu;
    x = (x ^ x >> 13) * 0xC2B2AE35u;
    return x ^ x >> 16;
}

/* Drop this share of n numbers and scale the others up, from..to - 1 of them. The same seed drops the same places. */
void charloom_dropout(int64_t from, int64_t to, uint32_t seed, double share, const float *numbers, float *found)
{
    const uint32_t limit = (uint32_t)(share * 4294967296.0);
    const float scale = (float)(1 / (1 - share));
    for (int64_t i = from; i < to; i++) {
        const float number = numbers[i];
        found[i] = (scrambled(scrambled((uint32_t)i) ^ seed) >= limit ? number : 0.0f) * scale;
    }
}

/* Columns of each direction, the share of a thread. */
struct columns { size_t forward, forward_end, backward, backward_end; };

static struct columns columns_of(size_t units, size_t number, size_t threads)
{
    const size_t all = GATES * units / UNITS, padded = (units + BLOCK - 1) / BLOCK * BLOCK / UNITS;
    return (struct columns){all * number / threads * UNITS, all * (number + 1) / threads * UNITS,
                            padded * number / threads * UNITS, padded * (number + 1) / threads * UNITS};
}

static void pack_f32(size_t units, struct columns share, const float *weights, float *forward, float *backward)
{
    const size_t all = GATES * units;
    for (size_t n = share.forward; n < share.forward_end; n += UNITS) {
        const float *rows = weights + torch_row(n, units) * units;
        float *to = forward + column_place(n, units);
        for (size_t k = 0; k < units; k++)
            for (size_t u = 0; u < UNITS; u++) to[k * STRIP + u] = rows[u * units + k];
    }
    for (size_t column = share.backward; column < share.backward_end; column += UNITS)
        for (size_t n = 0; n < all; n++) {
            float *to = backward + column_place(column, all) + n * STRIP;
            if (column < units) memcpy(to, weights + torch_row(n, units) * units + column, UNITS * sizeof(float));
            else memset(to, 0, UNITS * sizeof(float));
        }
}

#if BFLOAT16
static void pack_bf16(size_t units, struct columns share, const float *weights, bf16 *forward, bf16 *backward)
{
    const size_t all = GATES * units;
    for (size_t n = share.forward; n < share.forward_end; n += UNITS) {
        const float *rows = weights + torch_row(n, units) * units;
        bf16 *to = forward + n / BLOCK * BLOCK * units + n % BLOCK / UNITS * TILE;
        for (size_t k = 0; k < units; k += 2) {
            float first[UNITS], second[UNITS];
            for (size_t u = 0; u < UNITS; u++) {
                first[u] = rows[u * units + k];
                second[u] = rows[u * units + k + 1];
            }
            pstore(to + k / DEPTH * DEPTH * BLOCK + k % DEPTH * 16, vload(first), vload(second));
        }
    }
    for (size_t column = share.backward; column < share.backward_end; column += UNITS)
        for (size_t n = 0; n < all; n += 2) {
            bf16 *to = backward + column / BLOCK * BLOCK * all + n / DEPTH * DEPTH * BLOCK
                       + column % BLOCK / UNITS * TILE + n % DEPTH * 16;
            const float *row = weights + torch_row(n, units) * units + column;
            if (column < units) pstore(to, vload(row), vload(row + units));
            else memset(to, 0, 2 * UNITS * sizeof(bf16));
        }
}
#endif

/* Pack torch's weights, (4 H, H) float32, for both directions: G columns of H rows, and H rounded up to 64 columns of G
 * rows, zeros behind the last; in bfloat16 the tiles of bfloat16.h. The share of thread `number` of `threads`. */
void charloom_pack(int64_t kind, int64_t units, int64_t number, int64_t threads, const float *weights, void *forward,
                   void *backward)
{
    const struct columns share = columns_of(units, number, threads);
    if (kind == FLOAT32) pack_f32(units, share, weights, forward, backward);
#if BFLOAT16
    else pack_bf16(units, share, weights, forward, backward);
#endif
}
