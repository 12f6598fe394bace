/* url: where a request may go. Parsing is libcurl's (CURLU), so what is checked is what is sent. */
#ifndef GROOVE_URL_H
#define GROOVE_URL_H

#include <stdbool.h>
#include <stddef.h>

struct gr_url {
    char *scheme, *host, *port, *path, *query; /* query may be NULL; port is never */
    bool loopback;                             /* 127/8, ::1 or localhost */
    bool userinfo;
};

/* What is wrong where nothing is, but memory is short: to be compared by its address. */
extern const char gr_url_no_memory[];

/* Parses `text`. NULL on success, else what is wrong (static text). *url is to be cleared in both cases. */
const char *gr_url_parse(struct gr_url *url, const char *text);
void gr_url_clear(struct gr_url *url);

/* NULL if a request may go there, else why not (static text): https, or http to a loopback address or
 * with allow_http; no user or password in it. */
const char *gr_url_refusal(const struct gr_url *url, bool allow_http);

#endif
