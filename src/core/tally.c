#include "tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct gr_tally_entry *find(const struct gr_tally *tally, const char *code)
{
    for (size_t i = 0; i < tally->count; i++)
        if (strcmp(tally->entries[i].code, code) == 0)
            return &tally->entries[i];
    return NULL;
}

static struct gr_tally_entry *append(struct gr_tally *tally, const char *code)
{
    struct gr_tally_entry *entries =
        realloc(tally->entries, (tally->count + 1) * sizeof *tally->entries);
    if (!entries)
        return NULL;
    tally->entries = entries;
    struct gr_tally_entry *entry = &entries[tally->count++];
    snprintf(entry->code, sizeof entry->code, "%s", code);
    entry->count = 0;
    return entry;
}

void gr_tally_add(struct gr_tally *tally, const char *code)
{
    struct gr_tally_entry *entry = find(tally, code);
    if (!entry && tally->count >= GR_TALLY_MAX - 1) {
        code = "other";
        entry = find(tally, code);
    }
    if (!entry)
        entry = append(tally, code);
    if (entry)
        entry->count++;
}

void gr_tally_clear(struct gr_tally *tally)
{
    free(tally->entries);
    tally->entries = NULL;
    tally->count = 0;
}
