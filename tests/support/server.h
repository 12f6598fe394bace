/* server: a scripted HTTP/1.1 server on a free loopback port, for tests. One thread a connection. */
#ifndef GROOVE_TEST_SERVER_H
#define GROOVE_TEST_SERVER_H

#include <stdbool.h>
#include <stddef.h>

enum cut {
    CUT_NOTHING,
    CUT_ALL, /* closes the connection instead of answering */
    CUT_BODY /* announces ten bytes more than it sends, and closes */
};

/* What is answered. All zero: 200, no body, the connection stays open. */
struct reply {
    int status;
    const char *headers; /* "Name: value\r\n..." */
    const char *body;    /* each @ in it becomes the number of the request, from 1 */
    size_t len;          /* of a body with bytes of any kind; 0: a string */
    const char *raw;     /* these bytes instead of all of it; the connection is closed after them */
    double delay;        /* seconds */
    bool hold;           /* until server_release */
    bool endless;        /* the body is repeated until the peer hangs up */
    bool hang_up;        /* closes the connection afterwards, without having said so */
    enum cut cut;
};

struct server *server_new(void);
/* Closes all connections and waits for the threads. */
void server_free(struct server *server);

/* "http://127.0.0.1:PORT". Valid until server_free. */
const char *server_url(const struct server *server);
int server_port(const struct server *server);

/* The reply to every request from now on; strings are borrowed. */
void server_reply(struct server *server, const struct reply *reply);
/* The reply to the next request for which there is none yet; before server_reply's. */
void server_reply_once(struct server *server, const struct reply *reply);

/* Lets all replies go that are held; later ones are held anew. */
void server_release(struct server *server);

/* Requests received; with that path; connections accepted; replies held now; the most at a time. */
unsigned server_count(struct server *server);
unsigned server_count_path(struct server *server, const char *path);
unsigned server_connections(struct server *server);
unsigned server_held(struct server *server);
unsigned server_most(struct server *server);

/* Waits until so many have been received, or are held; false after `seconds`. */
bool server_wait_count(struct server *server, unsigned count, double seconds);
bool server_wait_held(struct server *server, unsigned count, double seconds);

/* The last request, head and body, as text; valid until the next one. */
const char *server_last(struct server *server);

#endif
