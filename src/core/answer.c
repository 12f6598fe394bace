#include "answer.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODE_MAX 41

/* What the parts below have in common. */
struct reading {
    struct gr_answer *out;
    int status;
    double retry_after;
};

static const struct oauth_code {
    const char *name;
    enum gr_verdict verdict;
    const char *advice;
} oauth_codes[] = {
    {"invalid_client", GR_REFUSED,
     "the token service does not accept this client: check client_id, the secret and auth"},
    {"unauthorized_client", GR_REFUSED,
     "the token service does not let this client ask for tokens: check its registration there"},
    {"invalid_scope", GR_REFUSED,
     "the token service does not grant this scope to this client: check scope"},
    {"invalid_grant", GR_REFUSED,
     "the token service does not accept this grant: check params and the client's registration"},
    {"invalid_request", GR_REFUSED,
     "the token service finds something missing or malformed: check scope, params and auth"},
    {"unsupported_grant_type", GR_REFUSED,
     "the token service does not know this grant type: is token_url right?"},
    {"access_denied", GR_REFUSED,
     "the token service denies access to this client: check its registration there"},
    {"invalid_target", GR_REFUSED,
     "the token service does not know this resource or audience: check params"},
    {"temporarily_unavailable", GR_FAILED, "the token service is unavailable for the moment"},
    {"server_error", GR_FAILED, "the token service met an error of its own"},
    {"slow_down", GR_FAILED, "the token service wants to be asked less often"},
    {"authorization_pending", GR_FAILED, "the token service waits for somebody's consent"},
};

static bool overloaded(int status)
{
    return status == 429 || (status >= 500 && status <= 599);
}

static void fail(const struct reading *r, enum gr_verdict verdict, const char *code, bool retryable,
                 const char *message)
{
    struct gr_error *err = &r->out->error;

    r->out->verdict = verdict;
    gr_error_set(err, GR_E_TOKEN, code, r->status, retryable, "%s (HTTP %d)", message, r->status);
    err->retry_after = r->retry_after >= 0 ? r->retry_after : -1;
}

static void fail_invalid(const struct reading *r, const char *message)
{
    fail(r, GR_FAILED, "invalid_response", true, message);
}

static void fail_memory(const struct reading *r)
{
    fail(r, GR_FAILED, "out_of_memory", true, "out of memory for the answer");
}

/* Errors. */

static bool well_formed(const char *code, size_t len)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";

    return len >= 2 && len <= CODE_MAX && strlen(code) == len && strspn(code, letters) > 0 &&
           strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == len;
}

/* What a code becomes, and what of a secret's spelling a service may have changed in repeating it. */
static char normalised(char c)
{
    if (c == '.' || c == '-')
        return '_';
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool equal_normalised(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (normalised(a[i]) != normalised(b[i]))
            return false;
    }
    return true;
}

/* Whether any 8 bytes of the code (all of it, or all of the secret, if shorter) are in the secret:
 * that also finds a service that repeats a part of it. */
static bool repeats_secret(const char *code, size_t len, const struct gr_secret *secret)
{
    size_t window = 8;

    if (!secret || secret->len == 0)
        return false;
    if (window > len)
        window = len;
    if (window > secret->len)
        window = secret->len;
    for (size_t i = 0; i + window <= len; i++) {
        for (size_t j = 0; j + window <= secret->len; j++) {
            if (equal_normalised(code + i, secret->bytes + j, window))
                return true;
        }
    }
    return false;
}

static void copy_normalised(char *to, const char *code)
{
    for (; *code; code++)
        *to++ = normalised(*code);
    *to = '\0';
}

static const struct oauth_code *find_code(const char *name)
{
    for (size_t i = 0; i < sizeof oauth_codes / sizeof *oauth_codes; i++) {
        if (strcmp(oauth_codes[i].name, name) == 0)
            return &oauth_codes[i];
    }
    return NULL;
}

static enum gr_verdict judge(const struct oauth_code *known, int status)
{
    if (overloaded(status))
        return GR_FAILED;
    if (known)
        return known->verdict;
    return status == 400 || status == 401 || status == 403 ? GR_REFUSED : GR_FAILED;
}

static void read_oauth_error(const struct reading *r, const json_t *value,
                             const struct gr_secret *secret)
{
    const char *name = json_string_value(value);
    size_t len = json_string_length(value);
    const struct oauth_code *known = strlen(name) == len ? find_code(name) : NULL;
    enum gr_verdict verdict = judge(known, r->status);
    char code[CODE_MAX + 1] = "unknown_error";

    if (known || (well_formed(name, len) && !repeats_secret(name, len, secret)))
        copy_normalised(code, name);
    fail(r, verdict, code, verdict == GR_FAILED,
         known ? known->advice : "the token service answered with an error code of its own");
}

static void read_status(const struct reading *r)
{
    int status = r->status;
    char code[24];

    if (status == 429) {
        fail(r, GR_FAILED, "too_many_requests", true, "the token service is asked too often");
        return;
    }
    if (status >= 300 && status <= 399) {
        fail(r, GR_FAILED, "redirect", false,
             "the token service redirects, which is never followed: is token_url right?");
        return;
    }
    snprintf(code, sizeof code, "http_%d", status);
    if (overloaded(status))
        fail(r, GR_FAILED, code, true, "the token service is failing");
    else
        fail(r, GR_FAILED, code, status == 408 || status == 425,
             "the token service answered with neither a token nor an OAuth error: "
             "is token_url right?");
}

/* Tokens. */

/* What jansson takes at most for each byte of a text, "[[[[" and so on; it was seen to take 140. */
enum { MOST_FOR_A_BYTE = 160 };

/* Whether there is more than jansson will take for a text of that length; another thread may take it first. It
 * does not survive it if it gets none half-way through a string: it ends the process, or reads on behind the end.
 * volatile: or the compiler knows better. */
static bool has_memory(size_t len)
{
    void *volatile probe = malloc(MOST_FOR_A_BYTE * len + 4096);
    bool there = probe != NULL;

    free(probe);
    return there;
}

static json_t *load(const char *text, size_t len, size_t flags, json_error_t *error)
{
    error->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_unknown;
    if (!has_memory(len))
        return NULL;
    return json_loadb(text, len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | flags, error);
}

/* Where jansson gets no memory, it mostly gives no reason. */
static bool is_memory(const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);

    return code == json_error_out_of_memory || code == json_error_unknown;
}

/* RFC 6749 appendix A.12. Anything else could not be sent as a header either. */
static bool sendable(const char *token, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (token[i] < 0x20 || token[i] > 0x7e)
            return false;
    }
    return true;
}

/* A number, or a string that is one. NAN where it is neither; INFINITY where it is too large. A
 * string is read by jansson, as strtod would follow the host's locale. false: no memory for that. */
static bool read_seconds(double *seconds, const json_t *value)
{
    json_error_t error;
    json_t *number;

    *seconds = json_is_number(value) ? json_number_value(value) : NAN;
    if (!json_is_string(value))
        return true;
    number = load(json_string_value(value), json_string_length(value), 0, &error);
    if (json_is_number(number))
        *seconds = json_number_value(number);
    else if (!number && json_error_code(&error) == json_error_numeric_overflow)
        *seconds = INFINITY;
    json_decref(number);
    return number || !is_memory(&error);
}

static const json_t *nonempty_string(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_string_length(value) > 0 ? value : NULL;
}

/* The documentation of the Groove service writes the members in both ways. */
static const json_t *either(const json_t *object, const char *name, const char *other)
{
    const json_t *value = json_object_get(object, name);

    return value ? value : json_object_get(object, other);
}

static void read_token(const struct reading *r, const json_t *object, const json_t *token)
{
    struct gr_answer *out = r->out;
    const char *bytes = json_string_value(token);
    size_t len = json_string_length(token);
    double expires_in, refresh_in;

    if (!read_seconds(&expires_in, either(object, "expires_in", "expiresIn")) ||
        !read_seconds(&refresh_in, json_object_get(object, "refresh_in"))) {
        fail_memory(r);
        return;
    }
    if (!sendable(bytes, len)) {
        fail(r, GR_FAILED, "invalid_token", true,
             "the token service gave a token with characters that no header may hold");
        return;
    }
    if (isinf(expires_in)) {
        fail_invalid(r, "the token service gave a lifetime that is not finite");
        return;
    }
    out->token = gr_secret_new(bytes, len);
    if (!out->token) {
        fail_memory(r);
        return;
    }
    out->verdict = GR_RENEWED;
    out->expires_in = isnan(expires_in) ? GR_LIFETIME_DEFAULT : expires_in;
    out->refresh_in = refresh_in > 0 && isfinite(refresh_in) ? refresh_in : NAN;
}

static void read_object(const struct reading *r, const json_t *object,
                        const struct gr_secret *secret)
{
    const json_t *error = nonempty_string(object, "error");
    const json_t *token = nonempty_string(object, "access_token");

    if (!token)
        token = nonempty_string(object, "accessToken");
    if (error)
        read_oauth_error(r, error, secret);
    else if (r->status < 200 || r->status > 299)
        read_status(r);
    else if (token)
        read_token(r, object, token);
    else
        fail_invalid(r, "the token service's answer holds no access_token: is token_url right?");
}

static void read_other(const struct reading *r, const json_t *json, const json_error_t *error,
                       size_t len)
{
    if (len > 0 && !json && is_memory(error))
        fail_memory(r);
    else if (r->status < 200 || r->status > 299)
        read_status(r);
    else if (len == 0)
        fail_invalid(r, "the token service answered with nothing: is token_url right?");
    else if (json)
        fail_invalid(r, "the token service answered with JSON that is no object: "
                        "is token_url right?");
    else if (json_error_code(error) == json_error_numeric_overflow)
        fail_invalid(r, "the token service gave a number that is not finite");
    else
        fail_invalid(r, "the token service answered with something that is not JSON: "
                        "is token_url right?");
}

/* Zeroes the strings of the object (token, refresh token, whatever an error repeats), which jansson
 * would only free. Its lexer's buffers, freed before json_loadb returns, cannot be reached, short
 * of json_set_alloc_funcs, which would change jansson for the whole host. */
static void scrub(json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach (object, key, value) {
        if (json_is_string(value))
            gr_zero((char *)(uintptr_t)json_string_value(value), json_string_length(value));
    }
}

void gr_answer_read(struct gr_answer *out, int status, const char *body, size_t len,
                    double retry_after, const struct gr_secret *secret)
{
    const struct reading r = {out, status, retry_after};
    json_error_t error;
    json_t *json = NULL;

    *out = (struct gr_answer){.expires_in = GR_LIFETIME_DEFAULT, .refresh_in = NAN};
    if (len > 0)
        json = load(body, len, JSON_ALLOW_NUL, &error);
    if (json_is_object(json))
        read_object(&r, json, secret);
    else
        read_other(&r, json, &error, len);
    scrub(json);
    json_decref(json);
}

void gr_answer_clear(struct gr_answer *answer)
{
    gr_secret_free(answer->token);
    answer->token = NULL;
}
