/* The choice of the next character; worker/nn/sampling.py has the rules. Plain C, which compilers turn into whatever the
 * processor has.
 */
#include "vectors.h"

#include <float.h>
#include <math.h>

enum { WIDE = 8 };

struct choice {
    double temperature, top_p;
    int64_t top_k, characters; /* V */
    double *weights;           /* (threads, V rounded up to 8), scratch */
    int32_t *heap;             /* (threads, V), scratch */
};

/* e^x for x <= 0, to a rounding; below the least normal number nothing. */
INLINE double power_of_e(double x)
{
    static const double factorials[] = {479001600, 39916800, 3628800, 362880, 40320, 5040, 720, 120, 24, 6, 2, 1, 1};
    const double within = x > -708.0 ? x : -708.0;
    /* A sum this large has no bits left behind the point: what is added is rounded, and is the sum's lowest bits. */
    const double large = 6755399441055744.0, sum = within * 1.4426950408889634 + large, n = sum - large;
    double r = __builtin_fma(-n, 6.93147180369123816490e-01, within), p = 1.0 / 6227020800.0, power;
    int64_t bits;
    r = __builtin_fma(-n, 1.90821492927058770002e-10, r);
#pragma GCC unroll 13
    for (int i = 0; i < 13; i++) p = __builtin_fma(p, r, 1.0 / factorials[i]);
    memcpy(&bits, &sum, sizeof bits);
    bits = (int64_t)((uint64_t)(bits + 1023) << 52);
    memcpy(&power, &bits, sizeof power);
    return x == within ? p * power : 0;
}

/* Character a comes before b: it is likelier, or as likely and first. */
INLINE int before(const double *weights, int32_t a, int32_t b)
{
    return weights[a] > weights[b] || (weights[a] == weights[b] && a < b);
}

static void sink(const double *weights, int32_t *heap, size_t size, size_t place)
{
    for (size_t child; (child = 2 * place + 1) < size; place = child) {
        if (child + 1 < size && before(weights, heap[child + 1], heap[child])) child++;
        if (before(weights, heap[place], heap[child])) return;
        const int32_t moved = heap[place];
        heap[place] = heap[child];
        heap[child] = moved;
    }
}

/* Take the weights of all but the likeliest: top_k of them, and of these the fewest that reach the share top_p. */
static void leave_likeliest(const struct choice *s)
{
    const size_t all = s->characters, most = s->top_k && (size_t)s->top_k < all ? (size_t)s->top_k : all;
    double *weights = s->weights, reached = 0, wanted = 0;
    int32_t *heap = s->heap;
    size_t size = all, kept = 0;
    for (size_t i = 0; i < all; i++) {
        heap[i] = (int32_t)i;
        wanted += weights[i];
    }
    wanted = most < all ? DBL_MAX : wanted * s->top_p;
    for (size_t i = all / 2; i-- > 0;) sink(weights, heap, size, i);
    /* One after another moves to the heap's end, the likeliest first. */
    while (kept < most && reached < wanted) {
        const int32_t likeliest = heap[0];
        heap[0] = heap[--size];
        heap[size] = likeliest;
        sink(weights, heap, size, 0);
        reached += weights[likeliest];
        kept++;
    }
    if (most < all && s->top_p < 1) {
        wanted = reached * s->top_p;
        for (kept = 0, reached = 0; kept < most && reached < wanted; kept++) reached += weights[heap[all - 1 - kept]];
    }
    for (size_t i = 0; i < all - kept; i++) weights[heap[i]] = 0;
}

/* The next character after these logits, by a number in 0..1. */
static int32_t choose(const struct choice *s, const float *logits, double draw)
{
    const size_t characters = s->characters, whole = characters / UNITS * UNITS;
    float mosts[UNITS], largest = -INFINITY;
    vec most = vsplat(-INFINITY);
    for (size_t i = 0; i < whole; i += UNITS) most = vmax(most, vload(logits + i));
    vstore(mosts, most);
    for (size_t i = 0; i < UNITS; i++) largest = mosts[i] > largest ? mosts[i] : largest;
    for (size_t i = whole; i < characters; i++) largest = logits[i] > largest ? logits[i] : largest;
    if (s->temperature == 0) {
        size_t likeliest = 0;
        while (likeliest + 1 < characters && logits[likeliest] != largest) likeliest++;
        return (int32_t)likeliest;
    }
    double *weights = s->weights;
    for (size_t begin = 0; begin < characters; begin += WIDE)
        for (size_t i = begin; i < begin + WIDE; i++)
            weights[i] = power_of_e(((double)logits[i] - (double)largest) / s->temperature);
    if ((s->top_k && s->top_k < s->characters) || s->top_p < 1) leave_likeliest(s);
    for (size_t i = 1; i < characters; i++) weights[i] += weights[i - 1];
    const double sum = weights[characters - 1], wanted = draw * sum;
    size_t place = 0;
    while (place < characters && !(weights[place] > wanted)) place++;
    /* A draw that rounding lifts to the whole sum belongs to the last character that has any probability. */
    if (place == characters)
        for (place = 0; place + 1 < characters && weights[place] < sum;) place++;
    return (int32_t)place;
}
