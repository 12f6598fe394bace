/* answer: reads what a token service says (RFC 6749 sections 5.1 and 5.2). No I/O, no clock. */
#ifndef GROOVE_ANSWER_H
#define GROOVE_ANSWER_H

#include <stddef.h>

#include "error.h"
#include "policy.h"
#include "secret.h"

struct gr_answer {
    enum gr_verdict verdict; /* GR_RENEWED: token is set; GR_FAILED, GR_REFUSED: error is set */
    struct gr_secret *token; /* owned by the caller */
    double expires_in;       /* seconds; may be <= 0; GR_LIFETIME_DEFAULT where not given */
    double refresh_in;       /* seconds, > 0; NAN: not given */
    struct gr_error error;
};

/* Reads one answer. status: HTTP status; body: len bytes, not changed, not kept; retry_after:
 * seconds from the header, < 0 if there was none; secret: the client secret that was sent, so that
 * an error code that repeats it is not passed on; may be NULL. Never fails: whatever is wrong is in
 * *out. */
void gr_answer_read(struct gr_answer *out, int status, const char *body, size_t len,
                    double retry_after, const struct gr_secret *secret);

/* Frees the token, if it is still there. */
void gr_answer_clear(struct gr_answer *answer);

#endif
