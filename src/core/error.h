/* error: what went wrong, in known fields only.
 *
 * Never built from bytes that came over the wire, except an OAuth error code that answer.c has
 * found harmless: a server that echoes a secret must not be able to put it into a log. */
#ifndef GROOVE_ERROR_H
#define GROOVE_ERROR_H

#include <stdbool.h>

enum gr_kind {
    GR_OK = 0,
    GR_E_ARGUMENT,  /* refused before anything was sent */
    GR_E_PENDING,   /* not there yet */
    GR_E_TOKEN,     /* the token service answered, and it was not a token */
    GR_E_TRANSPORT, /* no answer: connection, TLS, a broken or oversized body */
    GR_E_TIMEOUT,   /* the deadline passed first */
    GR_E_CANCELLED  /* the call, its handle or the process's engine was closed */
};

struct gr_error {
    enum gr_kind kind;
    int status;         /* HTTP status; 0: none */
    bool retryable;     /* the same call may succeed later without a change */
    double retry_after; /* seconds until it makes sense to ask again; < 0: not known */
    char code[48];      /* lower case, underscores: "invalid_client" */
    char message[160];  /* one readable line */
};

/* The name of a kind, as Lua sees it ("token"). Static storage. */
const char *gr_kind_name(enum gr_kind kind);

/* Fills *err; retry_after is -1. The message is formatted and cut to fit. */
void gr_error_set(struct gr_error *err, enum gr_kind kind, const char *code, int status,
                  bool retryable, const char *format, ...) __attribute__((format(printf, 6, 7)));

#endif
