/* tally: how often something has happened, by its code. */
#ifndef GROOVE_TALLY_H
#define GROOVE_TALLY_H

#include <stddef.h>
#include <stdint.h>

enum { GR_TALLY_MAX = 16 }; /* the last of them is "other": a server makes codes up at will */

struct gr_tally_entry {
    char code[48];
    uint64_t count;
};

/* Begins as zeros. */
struct gr_tally {
    struct gr_tally_entry *entries;
    size_t count;
};

/* Without memory for a new code nothing is counted. */
void gr_tally_add(struct gr_tally *tally, const char *code);

void gr_tally_clear(struct gr_tally *tally);

#endif
