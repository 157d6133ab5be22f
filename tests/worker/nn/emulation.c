/* Calls one function of the compiled layer for emulation.py: reads memory and what to call, writes the memory after it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void shared(const void *, int64_t, int64_t);
shared charloom_pack, charloom_forward, charloom_backward, charloom_collect, charloom_output, charloom_collect_output;
/* Weak, since a test may leave their sources out. */
__attribute__((weak)) shared charloom_squares, charloom_adam, charloom_muon;
typedef void writing(const void *, void *, int64_t, int64_t, int64_t, void *, void *);
__attribute__((weak)) writing charloom_read, charloom_write;

static shared *const functions[] = {
    charloom_pack, charloom_forward, charloom_backward, charloom_collect, charloom_output, charloom_collect_output,
    charloom_squares, charloom_adam, charloom_muon,
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

/* The function, bytes of memory, how many pointers are in it. */
struct head { int64_t function, size, pointers; };

static void *read_some(size_t size)
{
    void *made = malloc(size + 1);
    if (!made || fread(made, 1, size, stdin) != size) exit(1);
    return made;
}

static void *address(int64_t argument) { return (void *)argument; }

int main(void)
{
    const struct head *head = read_some(sizeof *head);
    const int64_t *pointers = read_some(head->pointers * sizeof *pointers);
    char *memory = read_some(head->size);
    for (int64_t i = 0; i < head->pointers; i++) {
        int64_t place;
        memcpy(&place, memory + pointers[i], sizeof place);
        place += (int64_t)memory;
        memcpy(memory + pointers[i], &place, sizeof place);
    }
    /* The arguments come first. */
    const int64_t *a = (const int64_t *)memory;
    if (head->function < FUNCTIONS) functions[head->function](address(a[0]), a[1], a[2]);
    else (head->function == FUNCTIONS ? charloom_read : charloom_write)(address(a[0]), address(a[1]), a[2], a[3], a[4],
                                                                        address(a[5]), address(a[6]));
    return fwrite(memory, 1, head->size, stdout) != (size_t)head->size;
}
