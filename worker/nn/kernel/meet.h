/* Threads that wait for one another within a call. To wait here takes a microsecond, in Python a hundred. */
#include <sched.h>
#include <stdint.h>
#include <time.h>

/* Threads of one call, as one of them sees them. */
struct together {
    int64_t *arrived; /* 0 at first, and the same for all */
    int64_t number;   /* of this thread */
    int64_t threads;
    int64_t met;      /* how often they have met, 0 at first */
};

/* Wait until so many have arrived. A processor that has other work is given to that: soon, and when this takes longer
 * than the work of some characters, for a while. A thread that only yields keeps its processor from one that waits for
 * another processor, perhaps the one that all wait for. */
static inline void wait_for(const int64_t *arrived, int64_t all)
{
    enum { TRIES = 1000, YIELDS = 200, PAUSE_NS = 20000 };
    for (int tries = 0; __atomic_load_n(arrived, __ATOMIC_ACQUIRE) < all; tries++) {
        if (tries >= TRIES + YIELDS) nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
        else if (tries >= TRIES) sched_yield();
    }
}

/* Wait until all threads have come here. */
static inline void meet(struct together *t)
{
    if (t->threads == 1) return;
    __atomic_add_fetch(t->arrived, 1, __ATOMIC_ACQ_REL);
    wait_for(t->arrived, ++t->met * t->threads);
}
