/* config: what identifies a source and shapes its token request (RFC 6749 section 4.4).
 *
 * Immutable once made. Two sources whose identities and secrets are equal are one. */
#ifndef GROOVE_CONFIG_H
#define GROOVE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "error.h"
#include "exchange.h"
#include "secret.h"

enum gr_auth {
    GR_AUTH_POST,  /* id and secret in the body */
    GR_AUTH_BASIC, /* in an Authorization header, each form-encoded first (RFC 6749 2.3.1) */
    GR_AUTH_NONE   /* a public client: the id in the body, if there is one, and no secret */
};

struct gr_pair {
    const char *name, *value;
};

/* As given by the host; borrowed. NULL: not given. */
struct gr_options {
    const char *token_url, *client_id, *scope, *ca_file, *proxy, *user_agent;
    const char *client_secret; /* secret_len bytes */
    size_t secret_len;
    const char *secret_file; /* instead of client_secret; made absolute */
    enum gr_auth auth;
    struct gr_pair *params, *headers; /* sorted in place */
    size_t param_count, header_count;
    double timeout, connect_timeout; /* seconds; > 0 */
    bool allow_http;
    bool renew;
    bool thread; /* whether the engine is to have one: gr_engine_count */
};

struct gr_config {
    enum gr_auth auth;
    bool allow_http;
    double timeout, connect_timeout;
    const char *token_url, *client_id, *scope, *ca_file, *proxy, *secret_file, *user_agent;
    struct gr_pair *params, *headers;
    size_t param_count, header_count;
    size_t identity_len;
    char *block; /* all strings; its first identity_len bytes are the identity */
};

/* Copies. false: no memory, or the secret file's path cannot be made absolute. */
bool gr_config_init(struct gr_config *config, const struct gr_options *options);
void gr_config_clear(struct gr_config *config);

/* A total order of identities, for a search tree. The secret is not part of it. */
int gr_config_compare(const struct gr_config *a, const struct gr_config *b);

/* The token request of a config, without what gr_config_fill adds. NULL: no memory. */
struct gr_exchange *gr_config_exchange(const struct gr_config *config, double timeout);

/* Puts body and credentials into it. secret may be NULL. false: no memory. */
bool gr_config_fill(const struct gr_config *config, const struct gr_secret *secret,
                    struct gr_exchange *exchange);

/* Reads the secret file: a regular file of at most 64 KiB; line ends at its end do not count. NULL:
 * *error says why. Blocks as long as the file system does. *stamp is what was read, for comparing. */
struct gr_secret *gr_config_read_secret(const struct gr_config *config, struct stat *stamp,
                                        struct gr_error *error);

/* Whether the secret file is another than the one of that stamp. */
bool gr_config_secret_changed(const struct gr_config *config, const struct stat *stamp);

#endif
