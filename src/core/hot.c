#include "hot.h"

#include <stddef.h>
#include <stdlib.h>

enum { SLAB = 256 };

static struct gr_hot *free_list;
static uint64_t last_generation;

static struct gr_hot *new_slab(void)
{
    struct gr_hot *slab = calloc(SLAB, sizeof *slab);
    for (size_t i = 0; slab && i + 1 < SLAB; i++)
        slab[i].next_free = &slab[i + 1];
    return slab;
}

struct gr_hot *gr_hot_new(void)
{
    if (!free_list)
        free_list = new_slab();
    struct gr_hot *hot = free_list;
    if (hot)
        free_list = hot->next_free;
    return hot;
}

void gr_hot_free(struct gr_hot *hot)
{
    gr_hot_write(hot, 0);
    hot->next_free = free_list;
    free_list = hot;
}

uint64_t gr_hot_generation(void)
{
    return ++last_generation;
}
