/* Several functions of the compiled layer one after another, each shared by all threads: none begins before the one
 * before it has ended everywhere.
 */
#include "meet.h"

struct task {
    void (*function)(const void *arguments, int64_t number, int64_t threads);
    const void *arguments;
    int64_t threads; /* that share it, the first ones: at most as many as there are */
};

/* The share of thread `number` of `threads`. */
void charloom_run(const struct task *tasks, int64_t count, int64_t *arrived, int64_t number, int64_t threads)
{
    struct together together = {arrived, number, threads, 0};
    for (int64_t i = 0; i < count; i++) {
        if (i) meet(&together);
        if (number < tasks[i].threads) tasks[i].function(tasks[i].arguments, number, tasks[i].threads);
    }
}
