/* Adam's steps (Kingma and Ba, "Adam: a method for stochastic optimization", 2015), and the norm that gradients are
 * clipped by. Roots and quotients are rounded as IEEE 754 has it, so all processors compute the same bits.
 */
#include "clip.h"
#include "vectors.h"

struct weight {
    int64_t size;
    const float *grads;                 /* what isn't stepped has no */
    float *weights, *averages, *squares; /* and, in the same shape, averages of the gradients and of their squares */
    float step; /* the learning rate divided by what the average of the gradients lacks yet */
    float root; /* what the root of the average of their squares is multiplied by, for the same reason */
};

struct adam {
    int64_t count; /* of weights; those without averages count for the norm alone */
    const struct weight *weights;
    float momentum, keep; /* what is kept of the averages of gradients and of their squares */
    float least;          /* added to the root of the latter */
    struct clip clip;
};

/* A thread's share of n numbers, in whole blocks. */
struct share { int64_t from, to; };

static struct share share_of(int64_t n, int64_t number, int64_t threads)
{
    const int64_t blocks = (n + BLOCK - 1) / BLOCK, to = blocks * (number + 1) / threads * BLOCK;
    return (struct share){blocks * number / threads * BLOCK, to < n ? to : n};
}

/* The sum of the squares of numbers from..to - 1: each some thousands by themselves, so that the sums stay exact enough. */
static double sum_of_squares(const float *numbers, int64_t from, int64_t to)
{
    enum { SOME = 4096 };
    const int64_t whole = from + (to - from) / BLOCK * BLOCK;
    double total = 0;
    for (int64_t first = from, end; first < whole; first = end) {
        vec sums[GATES];
        end = whole - first < SOME ? whole : first + SOME;
        UNROLLED(g, GATES) sums[g] = vsplat(0.0f);
        for (int64_t at = first; at < end; at += BLOCK)
            UNROLLED(g, GATES) {
                const vec x = vload(numbers + at + g * UNITS);
                sums[g] = vfma(x, x, sums[g]);
            }
        total += sum_of(vadd(vadd(sums[0], sums[1]), vadd(sums[2], sums[3])));
    }
    for (int64_t i = whole; i < to; i++) total += (double)numbers[i] * numbers[i];
    return total;
}

/* The squares of the gradients, summed up: the share of thread `number` of `threads`. */
void charloom_squares(const struct adam *a, int64_t number, int64_t threads)
{
    const fp_mode before = flush_denormals();
    double total = 0;
    for (const struct weight *w = a->weights; w < a->weights + a->count; w++) {
        const struct share share = share_of(w->size, number, threads);
        if (w->grads) total += sum_of_squares(w->grads, share.from, share.to);
    }
    a->clip.squares[number] = total;
    restore(before);
}

/* Step the weights: the share of thread `number` of `threads`. */
void charloom_adam(const struct adam *a, int64_t number, int64_t threads)
{
    const float momentum = a->momentum, keep = a->keep, least = a->least, factor = clip_factor(&a->clip);
    const fp_mode before = flush_denormals();
    for (int64_t n = 0; n < a->count; n++) {
        const struct weight w = a->weights[n];
        const struct share share = share_of(w.size, number, threads);
        if (!w.grads || !w.averages) continue;
        for (int64_t i = share.from; i < share.to; i++) {
            const float grad = factor * w.grads[i];
            const float average = w.averages[i] + (1 - momentum) * (grad - w.averages[i]);
            const float square = keep * w.squares[i] + (1 - keep) * (grad * grad);
            w.averages[i] = average;
            w.squares[i] = square;
            w.weights[i] -= w.step * average / (__builtin_sqrtf(square) * w.root + least);
        }
    }
    restore(before);
}
