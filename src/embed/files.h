/* files: groove's Lua files as data; tools/embed.sh makes the table when the archive is built. */
#ifndef GROOVE_FILES_H
#define GROOVE_FILES_H

#include <stddef.h>

struct gr_file {
    const char *module; /* "groove.call" */
    const char *chunk;  /* "@groove/call.lua", for messages */
    const unsigned char *text;
    size_t len;
};

extern const struct gr_file gr_files[];
extern const size_t gr_file_count;

#endif
