#include "exchange.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "prefetch.h"
#include "secret.h"
#include "url.h"
#include "version.h"

enum {
    MAX_FIELDS = 64 * 1024,
    FIRST_FIELDS = 1000, /* of a size that malloc has at hand */
    FIRST_CAPACITY = 4096,
    HINT_MAX = 1024 * 1024
};

/* ---- buffers ---- */

/* Grows by copy and zero, not by realloc: an answer may hold a token, and realloc would leave a copy. */
static bool buffer_reserve(struct gr_buffer *buffer, size_t capacity)
{
    if (capacity <= buffer->capacity)
        return true;
    if (capacity < buffer->capacity * 2)
        capacity = buffer->capacity * 2;
    char *data = malloc(capacity);
    if (!data)
        return false;
    if (buffer->data) {
        memcpy(data, buffer->data, buffer->len);
        gr_zero(buffer->data, buffer->len);
        free(buffer->data);
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

static bool buffer_add(struct gr_buffer *buffer, const char *bytes, size_t len)
{
    if (!buffer_reserve(buffer, buffer->len + len))
        return false;
    memcpy(buffer->data + buffer->len, bytes, len);
    buffer->len += len;
    return true;
}

static void buffer_free(struct gr_buffer *buffer)
{
    if (buffer->data)
        gr_zero(buffer->data, buffer->len);
    free(buffer->data);
    memset(buffer, 0, sizeof *buffer);
}

/* ---- the request ---- */

static bool copy(char **to, const char *text)
{
    if (!text)
        return true;
    *to = strdup(text);
    return *to != NULL;
}

/* libcurl takes "Name:" for "do not send it"; a header without a value is written "Name;". */
bool gr_exchange_add_header(struct gr_exchange *exchange, const char *name, size_t name_len,
                            const char *value)
{
    size_t value_len = strlen(value);
    struct gr_secret *line = gr_secret_new(NULL, name_len + 2 + value_len);
    if (!line)
        return false;
    memcpy(line->bytes, name, name_len);
    memcpy(line->bytes + name_len, value_len ? ": " : ";", value_len ? 2 : 1);
    memcpy(line->bytes + name_len + 2, value, value_len);
    struct curl_slist *more = curl_slist_append(exchange->headers, line->bytes);
    gr_secret_free(line);
    if (more)
        exchange->headers = more;
    return more != NULL;
}

static bool copy_headers(struct gr_exchange *exchange, const struct gr_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        const char *line = request->headers[i];
        size_t name_len = strcspn(line, ":");
        const char *value = line + name_len + (line[name_len] == ':');
        value += strspn(value, " ");
        if (!gr_exchange_add_header(exchange, line, name_len, value))
            return false;
    }
    return true;
}

static bool copy_request(struct gr_exchange *exchange, const struct gr_request *request)
{
    if (request->body) {
        exchange->body = gr_secret_new(request->body, request->body_len);
        if (!exchange->body)
            return false;
    }
    return copy(&exchange->method, request->method) && copy(&exchange->url, request->url) &&
           copy(&exchange->ca_file, request->ca_file) && copy(&exchange->proxy, request->proxy) &&
           copy(&exchange->user_agent, request->user_agent) && copy_headers(exchange, request);
}

struct gr_exchange *gr_exchange_new(const struct gr_request *request)
{
    struct gr_exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange)
        return NULL;
    exchange->timeout = request->timeout;
    exchange->connect_timeout = request->connect_timeout;
    exchange->max_body = request->max_body;
    exchange->allow_http = request->allow_http;
    exchange->retry_after = -1;
    if (copy_request(exchange, request))
        return exchange;
    gr_exchange_free(exchange);
    return NULL;
}

void gr_exchange_free(struct gr_exchange *exchange)
{
    if (!exchange)
        return;
    for (struct curl_slist *h = exchange->headers; h; h = h->next)
        gr_zero(h->data, strlen(h->data)); /* one of them may be an Authorization header */
    curl_slist_free_all(exchange->headers);
    curl_slist_free_all(exchange->pins);
    gr_secret_free(exchange->body);
    gr_secret_free(exchange->username);
    gr_secret_free(exchange->password);
    if (exchange->url)
        gr_zero(exchange->url, strlen(exchange->url)); /* its query may hold a token */
    free(exchange->url);
    free(exchange->method);
    free(exchange->ca_file);
    free(exchange->proxy);
    free(exchange->user_agent);
    buffer_free(&exchange->answer);
    buffer_free(&exchange->fields);
    free(exchange);
}

/* ---- what libcurl hands over ---- */

static void too_large(struct gr_exchange *exchange)
{
    gr_error_set(&exchange->error, GR_E_TRANSPORT, "answer_too_large", exchange->status, false,
                 "the answer is larger than %zu bytes", exchange->max_body);
}

static void no_memory(struct gr_exchange *exchange)
{
    gr_error_set(&exchange->error, GR_E_TRANSPORT, "out_of_memory", 0, true, "out of memory");
}

/* The announced length is a hint: it may be a lie, and it counts compressed bytes. */
static bool reserve_hint(struct gr_exchange *exchange)
{
    curl_off_t length = 0;
    if (exchange->answer.data)
        return true;
    curl_easy_getinfo(exchange->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length < FIRST_CAPACITY || length > HINT_MAX)
        length = FIRST_CAPACITY;
    return buffer_reserve(&exchange->answer, (size_t)length);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct gr_exchange *exchange = arg;
    size_t len = size * count;
    if (len > exchange->max_body - exchange->answer.len) {
        too_large(exchange);
        return 0;
    }
    if (!reserve_hint(exchange) || !buffer_add(&exchange->answer, bytes, len)) {
        no_memory(exchange);
        return 0;
    }
    return len;
}

static size_t trimmed(const char *line, size_t len)
{
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n' || line[len - 1] == ' '))
        len--;
    return len;
}

static bool add_field(struct gr_exchange *exchange, const char *line, size_t len)
{
    struct gr_buffer *fields = &exchange->fields;
    size_t start = fields->len;
    if (!buffer_reserve(fields, FIRST_FIELDS) || !buffer_add(fields, line, len) ||
        !buffer_add(fields, "\n", 1))
        return false;
    for (char *c = fields->data + start; *c != ':' && *c != '\n'; c++)
        *c = (char)tolower((unsigned char)*c);
    return true;
}

/* false: no memory. */
static bool take_field(struct gr_exchange *exchange, const char *line, size_t len)
{
    if (!memchr(line, ':', len) || line[0] == ' ' || line[0] == '\t')
        return true; /* the rest of a folded line (RFC 9112 5.2) could pass for a field */
    return add_field(exchange, line, len);
}

bool gr_exchange_take_line(struct gr_exchange *exchange, const char *line, size_t len)
{
    size_t kept = trimmed(line, len);
    bool starts = len >= 5 && memcmp(line, "HTTP/", 5) == 0;
    bool ends = kept == 0 && (len == 0 || line[0] != ' ');
    if (starts)
        exchange->fields.len = 0; /* what came before was an interim answer, or a proxy's */
    exchange->head_ended = !starts && (ends || exchange->head_ended);
    exchange->head_len += len;
    bool fits = exchange->head_len <= MAX_FIELDS && exchange->fields.len + kept < MAX_FIELDS;
    if (fits && (starts || take_field(exchange, line, kept)))
        return true;
    if (fits)
        no_memory(exchange);
    else
        gr_error_set(&exchange->error, GR_E_TRANSPORT, "answer_too_large", 0, false,
                     "the answer's headers are larger than %d bytes", MAX_FIELDS);
    return false;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    return gr_exchange_take_line(arg, line, size * count) ? size * count : 0;
}

const char *gr_exchange_field(const struct gr_exchange *exchange, const char *name, size_t *len)
{
    size_t name_len = strlen(name);
    const char *at = exchange->fields.data, *end = at ? at + exchange->fields.len : NULL;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t line = (size_t)(stop - at);
        if (line > name_len && at[name_len] == ':' && memcmp(at, name, name_len) == 0) {
            const char *value = at + name_len + 1;
            while (value < stop && (*value == ' ' || *value == '\t'))
                value++;
            *len = (size_t)(stop - value);
            return value;
        }
        at = stop + 1;
    }
    return NULL;
}

/* ---- set-up ---- */

static void refuse(struct gr_exchange *exchange, const char *why)
{
    gr_error_set(&exchange->error, GR_E_ARGUMENT, "url_refused", 0, false, "the URL %s", why);
}

/* Loopback goes through no proxy; others only through one that was given, never the environment's. */
static const char *proxy_for(const struct gr_exchange *exchange, bool loopback)
{
    return exchange->proxy && !loopback ? exchange->proxy : "";
}

/* A handle, and the first thing that went wrong in setting it up. libcurl copies texts, and a request that
 * lacks an option for want of memory would be another one: to another proxy, by another method, trusting
 * others. */
struct setup {
    CURL *easy;
    CURLcode code;
};

#define SET(s, option, value) \
    ((s)->code = (s)->code ? (s)->code : curl_easy_setopt((s)->easy, option, value))

static void set_where(const struct gr_exchange *exchange, struct setup *s, const struct gr_url *url)
{
    const char *protocols = strcmp(url->scheme, "https") == 0 ? "https" : "http";
    SET(s, CURLOPT_URL, exchange->url);
    SET(s, CURLOPT_PROTOCOLS_STR, protocols);
    SET(s, CURLOPT_FOLLOWLOCATION, 0L);
    SET(s, CURLOPT_PROXY, proxy_for(exchange, url->loopback));
    SET(s, CURLOPT_NOPROXY, ""); /* not the environment's no_proxy, either */
    SET(s, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(s, CURLOPT_SSL_VERIFYPEER, 1L);
    SET(s, CURLOPT_SSL_VERIFYHOST, 2L);
    if (!exchange->ca_file)
        return;
    SET(s, CURLOPT_CAINFO, exchange->ca_file);
    /* The system's, which would be trusted as well; not every TLS library has one. */
    curl_easy_setopt(s->easy, CURLOPT_CAPATH, NULL);
}

static const char *text_of(const struct gr_secret *secret)
{
    return secret ? secret->bytes : "";
}

static void set_what(const struct gr_exchange *exchange, struct setup *s)
{
    bool post = strcmp(exchange->method, "POST") == 0;
    if (strcmp(exchange->method, "HEAD") == 0)
        SET(s, CURLOPT_NOBODY, 1L);
    else if ((exchange->body || strcmp(exchange->method, "GET") != 0) && !post)
        SET(s, CURLOPT_CUSTOMREQUEST, exchange->method);
    if ((exchange->body && strcmp(exchange->method, "HEAD") != 0) || post) {
        const char *bytes = text_of(exchange->body);
        size_t len = exchange->body ? exchange->body->len : 0;
        SET(s, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
        SET(s, CURLOPT_POSTFIELDS, bytes);
    }
    if (exchange->username || exchange->password) {
        SET(s, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        SET(s, CURLOPT_USERNAME, text_of(exchange->username));
        SET(s, CURLOPT_PASSWORD, text_of(exchange->password));
    }
    SET(s, CURLOPT_HTTPHEADER, exchange->headers);
    SET(s, CURLOPT_ACCEPT_ENCODING, "");
    SET(s, CURLOPT_USERAGENT,
        exchange->user_agent ? exchange->user_agent : "groove/" GROOVE_VERSION);
}

/* libcurl sends a request again when a reused connection turns out to be dead, a POST too. A POST whose
 * answer was lost may have been carried out, so all but GET and HEAD take a fresh connection. */
static void set_connection(const struct gr_exchange *exchange, struct setup *s, bool https)
{
    bool idempotent = strcmp(exchange->method, "GET") == 0 || strcmp(exchange->method, "HEAD") == 0;
    SET(s, CURLOPT_FRESH_CONNECT, idempotent ? 0L : 1L);
    SET(s, CURLOPT_FORBID_REUSE, exchange->one_shot ? 1L : 0L);
    /* One request needs no HTTP/2, whose library leaves copies of headers and bodies in the memory it frees. */
    if (exchange->one_shot)
        SET(s, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    /* Without TLS, libcurl learns from the first answer only that the server cannot multiplex: all other
     * requests to that host would wait for it. */
    SET(s, CURLOPT_PIPEWAIT, idempotent && https ? 1L : 0L);
    SET(s, CURLOPT_CONNECTTIMEOUT_MS, (long)(fmin(exchange->connect_timeout, 1e6) * 1000) + 1);
    SET(s, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* A name server that does not answer holds up its own request, and not all others and the shutdown. An
     * older libcurl at run time does not know the option. */
    (void)curl_easy_setopt(s->easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    SET(s, CURLOPT_TCP_NODELAY, 1L);
}

static void set_callbacks(struct gr_exchange *exchange, struct setup *s)
{
    SET(s, CURLOPT_WRITEFUNCTION, on_body);
    SET(s, CURLOPT_WRITEDATA, exchange);
    SET(s, CURLOPT_HEADERFUNCTION, on_header);
    SET(s, CURLOPT_HEADERDATA, exchange);
    SET(s, CURLOPT_PRIVATE, exchange);
}

static void set_failure(struct gr_exchange *exchange, CURLcode code);

bool gr_exchange_open(struct gr_exchange *exchange, CURL *easy)
{
    struct gr_url url;
    struct setup s = {easy, CURLE_OK};
    const char *wrong = gr_url_parse(&url, exchange->url);
    if (!wrong)
        wrong = gr_url_refusal(&url, exchange->allow_http);
    if (wrong == gr_url_no_memory)
        s.code = CURLE_OUT_OF_MEMORY;
    if (!wrong) {
        set_where(exchange, &s, &url);
        set_what(exchange, &s);
        set_connection(exchange, &s, strcmp(url.scheme, "https") == 0);
        set_callbacks(exchange, &s);
        exchange->easy = easy;
        exchange->plain = url.loopback && strcmp(url.scheme, "http") == 0;
        if (exchange->threadless && s.code == CURLE_OK)
            s.code = gr_prefetch_apply(easy, &exchange->pins, &url,
                                       proxy_for(exchange, url.loopback), exchange->ca_file);
    }
    gr_url_clear(&url);
    if (s.code != CURLE_OK)
        set_failure(exchange, s.code);
    else if (wrong)
        refuse(exchange, wrong);
    return s.code == CURLE_OK && !wrong;
}

/* ---- the end ---- */

static const struct {
    CURLcode code;
    const char *name;
    bool retryable;
} failures[] = {
    {CURLE_COULDNT_RESOLVE_HOST, "resolve_failed", true},
    {CURLE_COULDNT_RESOLVE_PROXY, "resolve_failed", true},
    {CURLE_COULDNT_CONNECT, "connect_failed", true},
    {CURLE_PEER_FAILED_VERIFICATION, "tls_failed", false},
    {CURLE_SSL_CONNECT_ERROR, "tls_failed", true},
    {CURLE_SSL_CACERT_BADFILE, "ca_file_unreadable", false},
    {CURLE_SSL_ISSUER_ERROR, "tls_failed", false},
    {CURLE_SSL_CIPHER, "tls_failed", false},
    {CURLE_GOT_NOTHING, "connection_broken", true},
    {CURLE_RECV_ERROR, "connection_broken", true},
    {CURLE_SEND_ERROR, "connection_broken", true},
    {CURLE_PARTIAL_FILE, "connection_broken", true},
    {CURLE_HTTP2, "connection_broken", true},
    {CURLE_HTTP2_STREAM, "connection_broken", true},
    {CURLE_WEIRD_SERVER_REPLY, "invalid_response", true},
    {CURLE_UNSUPPORTED_PROTOCOL, "invalid_response", true},
    {CURLE_BAD_CONTENT_ENCODING, "invalid_response", true},
    {CURLE_OUT_OF_MEMORY, "out_of_memory", true},
};

/* libcurl's fixed text for the code, not its error buffer: that may repeat parts of the request. */
static void set_failure(struct gr_exchange *exchange, CURLcode code)
{
    const char *name = "transfer_failed";
    bool retryable = true;
    if (code == CURLE_OPERATION_TIMEDOUT) {
        gr_error_set(&exchange->error, GR_E_TIMEOUT, "connect_timeout", 0, true,
                     "no connection within %g s", exchange->connect_timeout);
        return;
    }
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        if (failures[i].code == code) {
            name = failures[i].name;
            retryable = failures[i].retryable;
        }
    }
    gr_error_set(&exchange->error, GR_E_TRANSPORT, name, 0, retryable, "%s",
                 curl_easy_strerror(code));
}

static bool field_text(const struct gr_exchange *exchange, const char *name, char *text,
                       size_t size)
{
    size_t len;
    const char *value = gr_exchange_field(exchange, name, &len);
    if (!value || len == 0 || len >= size)
        return false;
    memcpy(text, value, len);
    text[len] = '\0';
    return true;
}

/* RFC 9110 10.2.3: seconds, or a date. A date is read against the server's own Date where there is
 * one, so that it does not matter whose clock is wrong. */
static double retry_after(const struct gr_exchange *exchange)
{
    char text[64], date[64];
    if (!field_text(exchange, "retry-after", text, sizeof text))
        return -1;
    if (strspn(text, "0123456789") == strlen(text))
        return strtod(text, NULL);
    time_t until = curl_getdate(text, NULL), now = time(NULL);
    if (until == -1)
        return -1;
    if (field_text(exchange, "date", date, sizeof date) && curl_getdate(date, NULL) != -1)
        now = curl_getdate(date, NULL);
    return fmax(difftime(until, now), 0);
}

void gr_exchange_doubt(const struct gr_exchange *exchange)
{
    curl_off_t sent = 0;
    if (exchange->pins)
        curl_easy_getinfo(exchange->easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
    if (exchange->pins && sent == 0)
        gr_prefetch_doubt(exchange->pins);
}

void gr_exchange_close(struct gr_exchange *exchange, CURLcode code)
{
    long status = 0;
    CURLcode told = curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    exchange->status = (int)status;
    if (code == CURLE_OK)
        code = told;
    if (exchange->error.kind != GR_OK)
        return; /* a callback of ours ended it, and has said why */
    /* libcurl takes a connection's end within the head for the answer's */
    if (code == CURLE_OK && !exchange->head_ended)
        code = CURLE_PARTIAL_FILE;
    if (code != CURLE_OK) {
        set_failure(exchange, code);
        gr_exchange_doubt(exchange);
    }
    exchange->retry_after = retry_after(exchange);
}
