/* hot: one atomic word a source, which says whether the token a caller has at hand may still be used.
 *
 * The word is the generation of the current token while that is usable, 0 otherwise. Generations are
 * never given twice in a process, so a caller that compares the word with the generation of the token it
 * holds needs no lock, no clock and no allocation. Words live in slabs that are never given back: a
 * handle that outlives its source reads a word that is 0 or another source's generation. */
#ifndef GROOVE_HOT_H
#define GROOVE_HOT_H

#include <stdatomic.h>
#include <stdint.h>

struct gr_hot {
    _Atomic uint64_t word;
    struct gr_hot *next_free;
};

/* State lock. NULL: no memory. */
struct gr_hot *gr_hot_new(void);
void gr_hot_free(struct gr_hot *hot);

/* A generation that no token had before. State lock. */
uint64_t gr_hot_generation(void);

/* Nothing else is read on the strength of the word, so no order with other memory is needed. */
static inline uint64_t gr_hot_read(const struct gr_hot *hot)
{
    return atomic_load_explicit(&hot->word, memory_order_relaxed);
}

static inline void gr_hot_write(struct gr_hot *hot, uint64_t word)
{
    atomic_store_explicit(&hot->word, word, memory_order_relaxed);
}

#endif
