/* exchange: one HTTP request and its answer, as libcurl needs it.
 *
 * An exchange belongs to the engine from gr_engine_submit() until `finished` has been called; only the
 * thread that drives the engine touches it in between. Answers are bounded; nothing is redirected. */
#ifndef GROOVE_EXCHANGE_H
#define GROOVE_EXCHANGE_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "error.h"
#include "timers.h"

struct gr_secret;
struct gr_lane;

/* What to send. Borrowed: gr_exchange_new copies it all. */
struct gr_request {
    const char *method; /* "GET", "POST", ... */
    const char *url;
    const char *const *headers; /* "Name: value" */
    size_t header_count;
    const char *body; /* NULL: none */
    size_t body_len;
    double timeout;         /* seconds for all of it, queueing included; > 0 */
    double connect_timeout; /* seconds; > 0 */
    const char *ca_file;    /* NULL: the system's */
    const char *proxy;      /* NULL: none; the environment is never asked */
    const char *user_agent; /* NULL: groove's own */
    size_t max_body;        /* bytes, after decompression */
    bool allow_http;
};

struct gr_buffer {
    char *data;
    size_t len, capacity;
};

struct gr_exchange {
    /* the request */
    char *method, *url, *ca_file, *proxy, *user_agent;
    struct curl_slist *headers;
    struct gr_secret *body;
    struct gr_secret *username, *password; /* sent as HTTP Basic; NULL: none */
    double timeout, connect_timeout;
    size_t max_body;
    bool allow_http;
    bool
        one_shot; /* its connection is closed after it: libcurl keeps credentials with a connection */

    /* the answer; valid once finished */
    struct gr_error error; /* kind GR_OK: there is an answer */
    int status;
    struct gr_buffer answer;
    struct gr_buffer fields; /* "name: value\n"..., names in lower case */
    double retry_after;      /* seconds; < 0: no such header */
    size_t head_len;         /* bytes of all heads that came, interim answers' and a proxy's, too */
    bool head_ended;         /* the last of them has come to its empty line */

    /* Called under the libcurl lock by the driving thread right before the request is sent, to fill in what must
     * be as fresh as can be. false: *error is set and nothing is sent. May be NULL. */
    bool (*prepare)(struct gr_exchange *exchange);
    /* Called once under the engine's state lock; from then on the exchange is the owner's. */
    void (*finished)(struct gr_exchange *exchange);
    void *owner;

    /* the engine's */
    bool threadless;         /* libcurl may not start a thread to resolve a name */
    struct curl_slist *pins; /* hence the addresses it has been given */
    bool plain;              /* http to an address that needs no resolving */
    struct gr_lane *lane;    /* while queued */
    unsigned class;
    CURL *easy;
    enum { GR_EXCHANGE_IDLE, GR_EXCHANGE_QUEUED, GR_EXCHANGE_RUNNING } state;
    bool ending;    /* to be taken out of libcurl: its time is up, or nobody wants it any more */
    bool orphaned;  /* gr_engine_abort: free it, do not call finished */
    bool cancelled; /* gr_engine_cancel: whatever came of it, it ends as cancelled */
    struct gr_timer deadline;
    TAILQ_ENTRY(gr_exchange) link;
};

/* NULL: no memory. Blocks nothing. */
struct gr_exchange *gr_exchange_new(const struct gr_request *request);
void gr_exchange_free(struct gr_exchange *exchange);

/* One more header of the request. false: no memory. */
bool gr_exchange_add_header(struct gr_exchange *exchange, const char *name, size_t name_len,
                            const char *value);

/* Sets up `easy` for this exchange. false: *error says why. Only under the engine's libcurl lock. Blocks where
 * a name has to be looked up for one that is threadless. */
bool gr_exchange_open(struct gr_exchange *exchange, CURL *easy);

/* Takes a line of the answer's head, the status line included, with or without its end. false: there are too
 * many of them; exchange->error says so. */
bool gr_exchange_take_line(struct gr_exchange *exchange, const char *line, size_t len);

/* Takes over libcurl's verdict. */
void gr_exchange_close(struct gr_exchange *exchange, CURLcode code);

/* To be called of one that has failed, before it is taken out of libcurl: where it got no connection, its
 * addresses may be wrong. */
void gr_exchange_doubt(const struct gr_exchange *exchange);

/* The first header of a name (lower case): its value, not terminated, its length in *len. NULL: none. */
const char *gr_exchange_field(const struct gr_exchange *exchange, const char *name, size_t *len);

#endif
