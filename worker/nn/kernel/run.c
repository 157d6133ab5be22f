/* Several functions of the compiled layer one after another, each shared by all threads: none begins before the one
 * before it has ended everywhere. To wait for that here takes a microsecond, in Python a hundred.
 */
#include <sched.h>
#include <stdint.h>

struct task {
    void (*function)(const void *arguments, int64_t number, int64_t threads);
    const void *arguments;
    int64_t threads; /* that share it, the first ones: at most as many as there are */
};

/* Wait until so many have arrived; a processor that has other work is given to that. */
static void wait_for(const int64_t *arrived, int64_t all)
{
    enum { TRIES = 1000 };
    for (int tries = 0; __atomic_load_n(arrived, __ATOMIC_ACQUIRE) < all; tries++)
        if (tries >= TRIES) sched_yield();
}

/* The share of thread `number` of `threads`. `arrived` is 0 at first, and the same for all. */
void charloom_run(const struct task *tasks, int64_t count, int64_t *arrived, int64_t number, int64_t threads)
{
    for (int64_t i = 0; i < count; i++) {
        if (number < tasks[i].threads) tasks[i].function(tasks[i].arguments, number, tasks[i].threads);
        if (i == count - 1) break;
        __atomic_add_fetch(arrived, 1, __ATOMIC_ACQ_REL);
        wait_for(arrived, (i + 1) * threads);
    }
}
