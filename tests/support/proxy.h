/* proxy: a bad network between a client and a server on loopback, for tests. Forwards bytes, and at one of
 * them, of either direction, does what it has been told. One thread for all connections. */
#ifndef GROOVE_TEST_PROXY_H
#define GROOVE_TEST_PROXY_H

#include <stdbool.h>
#include <stddef.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_END, /* both connections are closed: what came before that byte arrives, and an end (FIN) */
    FAULT_RESET,  /* both connections are reset (RST) */
    FAULT_SILENT, /* nothing more is forwarded that way, on connections that stay open */
    FAULT_DELAY,  /* all from that byte on comes `seconds` later */
    FAULT_SWAP,   /* the `length` bytes from there on and as many that follow change places */
    FAULT_REPEAT, /* the `length` bytes from there on come twice */
    FAULT_FLIP    /* the bits of `mask` are changed in that byte */
};

enum direction { TO_SERVER, TO_CLIENT };

struct fault {
    enum fault_kind kind;
    enum direction direction;
    size_t offset; /* of bytes that go that way through the tap once it has been told */
    size_t length; /* at most 64 */
    double seconds;
    unsigned char mask;
};

/* All functions but proxy_new and proxy_free may be called from any thread. */
struct proxy;
struct tap; /* an address of its own */

/* In front of a server at that port of 127.0.0.1. */
struct proxy *proxy_new(int port);
/* Closes all taps and connections. */
void proxy_free(struct proxy *proxy);

/* A tap that forwards everything as it is. */
struct tap *proxy_open(struct proxy *proxy);
/* Closes it and its connections, without leaving anything behind in the system. */
void proxy_close(struct tap *tap);

/* "http://127.0.0.1:PORT". Valid until proxy_close. */
const char *proxy_url(const struct tap *tap);

/* Does that once, to whichever connection the byte belongs to; in place of what it had been told before. */
void proxy_tell(struct tap *tap, const struct fault *fault);
/* Whether that has been done. */
bool proxy_struck(struct tap *tap);

/* Bytes that have come in for that direction since the tap was last told something, or was opened. */
size_t proxy_count(struct tap *tap, enum direction direction);

#endif
