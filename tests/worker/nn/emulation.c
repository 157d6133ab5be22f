/* Calls one function of the compiled layer for emulation.py: reads memory and what to call, writes the memory after it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void charloom_forward(void *, int64_t, int64_t);
void charloom_backward(void *, int64_t, int64_t);
void charloom_pack(int64_t, int64_t, int64_t, int64_t, void *, void *, void *);
void charloom_dropout(int64_t, int64_t, uint32_t, double, void *, void *);
/* Weak, since a test may leave their sources out. */
__attribute__((weak)) void charloom_muon(void *, int64_t, int64_t);
__attribute__((weak)) void charloom_output(void *, int64_t, int64_t);
__attribute__((weak)) void charloom_read(void *, int64_t, void *, void *);
__attribute__((weak)) void charloom_write(void *, int64_t, int64_t, int64_t, void *, void *);

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
    double share;
    for (int64_t i = 0; i < head->pointers; i++) {
        int64_t place;
        memcpy(&place, memory + pointers[i], sizeof place);
        place += (int64_t)memory;
        memcpy(memory + pointers[i], &place, sizeof place);
    }
    /* The arguments come first. */
    const int64_t *a = (const int64_t *)memory;
    switch (head->function) {
    case 0: charloom_forward(address(a[0]), a[1], a[2]); break;
    case 1: charloom_backward(address(a[0]), a[1], a[2]); break;
    case 2: charloom_pack(a[0], a[1], a[2], a[3], address(a[4]), address(a[5]), address(a[6])); break;
    case 3:
        memcpy(&share, a + 3, sizeof share);
        charloom_dropout(a[0], a[1], (uint32_t)a[2], share, address(a[4]), address(a[5]));
        break;
    case 4: charloom_muon(address(a[0]), a[1], a[2]); break;
    case 5: charloom_read(address(a[0]), a[1], address(a[2]), address(a[3])); break;
    case 6: charloom_write(address(a[0]), a[1], a[2], a[3], address(a[4]), address(a[5])); break;
    default: charloom_output(address(a[0]), a[1], a[2]);
    }
    return fwrite(memory, 1, head->size, stdout) != (size_t)head->size;
}
