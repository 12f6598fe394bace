/* secret: bytes that must not leak (client secrets, tokens, request bodies that hold them).
 *
 * They live in arenas of our own: left out of core dumps (MADV_DONTDUMP), locked into memory where
 * the system allows it, zeroed when freed. Small blocks share pages, so that 100,000 sources stay
 * cheap. Every function may be called from any thread; none blocks for longer than a short lock. */
#ifndef GROOVE_SECRET_H
#define GROOVE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

struct gr_secret {
    size_t len; /* without the terminating NUL that always follows; constant: it finds the block */
    char bytes[];
};

/* A copy of len bytes, or zeroed space for len bytes where bytes is NULL. NULL: no memory, or len
 * is over 16 MiB. The caller owns it. */
struct gr_secret *gr_secret_new(const void *bytes, size_t len);

/* Zeroes and gives back. NULL is fine. */
void gr_secret_free(struct gr_secret *secret);

/* Whether both hold the same bytes; the time depends on the lengths only. NULL equals only NULL. */
bool gr_secret_equal(const struct gr_secret *a, const struct gr_secret *b);

/* As above, whether it holds just these bytes. NULL holds none. */
bool gr_secret_is(const struct gr_secret *secret, const void *bytes, size_t len);

/* Zeroes memory in a way that the compiler may not leave out. */
void gr_zero(void *memory, size_t len);

/* Zeroes the stack below the caller, where what it called has left parts of secrets: in buffers, and in vector
 * registers, which the dynamic linker saves there when a function is called for the first time. */
void gr_zero_stack(void);

/* How many are alive: for tests, as leak checkers do not see into arenas. */
size_t gr_secret_count(void);

/* For the fork handlers: take the arena's lock around a fork; the child makes it anew. */
void gr_secret_before_fork(void);
void gr_secret_after_fork(bool in_child);

#endif
