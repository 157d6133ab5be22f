/* Gradients are scaled down where their norm is too large (Pascanu, Mikolov and Bengio, "On the difficulty of training
 * recurrent neural networks", 2013).
 */
#ifndef CHARLOOM_CLIP_H
#define CHARLOOM_CLIP_H

#include <stdint.h>

struct clip {
    double *squares; /* (parts): sums of the squares of all gradients */
    int64_t parts;
    double max_norm;
};

/* What gradients are multiplied by. */
static inline float clip_factor(const struct clip *c)
{
    double sum = 0;
    for (int64_t part = 0; part < c->parts; part++) sum += c->squares[part];
    const double norm = __builtin_sqrt(sum);
    return norm <= c->max_norm ? 1.0f : (float)(c->max_norm / norm);
}

#endif
