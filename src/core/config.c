#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "port.h"

enum { MAX_SECRET_FILE = 64 * 1024, MAX_TOKEN_ANSWER = 64 * 1024 };

/* ---- one block of strings ---- */

/* Writes strings one behind the other; with NULL as `at` it only counts. */
struct writer {
    char *at;
    size_t len;
};

static const char *put(struct writer *w, const char *text, size_t len)
{
    char *start = w->at ? w->at + w->len : NULL;
    if (start)
        memcpy(start, text, len);
    w->len += len;
    return start;
}

/* A byte in front tells an absent string from an empty one: they are different identities. */
static const char *put_text(struct writer *w, const char *text)
{
    put(w, text ? "+" : "-", 1);
    return text ? put(w, text, strlen(text) + 1) : NULL;
}

static void put_pairs(struct writer *w, struct gr_pair *to, const struct gr_pair *from,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = put_text(w, from[i].name);
        const char *value = put_text(w, from[i].value);
        if (to)
            to[i] = (struct gr_pair){name, value};
    }
    put(w, "", 1);
}

static void write_block(struct gr_config *config, const struct gr_options *options,
                        const char *secret_file, struct writer *w)
{
    const char flags[] = {(char)('0' + options->auth), options->allow_http ? 'h' : 's'};
    put(w, flags, sizeof flags);
    config->token_url = put_text(w, options->token_url);
    config->client_id = put_text(w, options->client_id);
    config->scope = put_text(w, options->scope);
    config->ca_file = put_text(w, options->ca_file);
    config->proxy = put_text(w, options->proxy);
    config->secret_file = put_text(w, secret_file);
    put_pairs(w, config->params, options->params, options->param_count);
    put_pairs(w, config->headers, options->headers, options->header_count);
    config->identity_len = w->len;
    config->user_agent = put_text(w, options->user_agent);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct gr_pair *)a)->name, ((const struct gr_pair *)b)->name);
}

static void sort_pairs(struct gr_pair *pairs, size_t count)
{
    if (count > 1)
        qsort(pairs, count, sizeof *pairs, by_name);
}

/* Not realpath: a secret file is often a link that is moved to the next version. */
static bool make_absolute(const char *path, char *absolute, size_t size)
{
    char folder[PATH_MAX];
    size_t len = 0;
    if (path[0] != '/') {
        if (!getcwd(folder, sizeof folder))
            return false;
        len = strlen(folder);
        if (len + 2 > size)
            return false;
        memcpy(absolute, folder, len);
        absolute[len++] = '/';
    }
    if (len + strlen(path) + 1 > size)
        return false;
    memcpy(absolute + len, path, strlen(path) + 1);
    return true;
}

static bool new_pairs(struct gr_pair **pairs, size_t count)
{
    *pairs = count ? calloc(count, sizeof **pairs) : NULL;
    return *pairs || !count;
}

bool gr_config_init(struct gr_config *config, const struct gr_options *options)
{
    char path[PATH_MAX];
    const char *secret_file = options->secret_file ? path : NULL;
    struct writer counter = {NULL, 0}, writer;
    memset(config, 0, sizeof *config);
    if (secret_file && !make_absolute(options->secret_file, path, sizeof path))
        return false;
    sort_pairs(options->params, options->param_count);
    sort_pairs(options->headers, options->header_count);
    write_block(config, options, secret_file, &counter);
    config->auth = options->auth;
    config->allow_http = options->allow_http;
    config->timeout = options->timeout;
    config->connect_timeout = options->connect_timeout;
    config->param_count = options->param_count;
    config->header_count = options->header_count;
    config->block = malloc(counter.len);
    if (!config->block || !new_pairs(&config->params, options->param_count) ||
        !new_pairs(&config->headers, options->header_count)) {
        gr_config_clear(config);
        return false;
    }
    writer = (struct writer){config->block, 0};
    write_block(config, options, secret_file, &writer);
    return true;
}

void gr_config_clear(struct gr_config *config)
{
    free(config->block);
    free(config->params);
    free(config->headers);
    memset(config, 0, sizeof *config);
}

int gr_config_compare(const struct gr_config *a, const struct gr_config *b)
{
    if (a->identity_len != b->identity_len)
        return a->identity_len < b->identity_len ? -1 : 1;
    return memcmp(a->block, b->block, a->identity_len);
}

/* ---- the request ---- */

struct gr_exchange *gr_config_exchange(const struct gr_config *config, double timeout)
{
    static const char *const standard[] = {"Accept: application/json"};
    struct gr_request request = {
        .method = "POST",
        .url = config->token_url,
        .headers = standard,
        .header_count = 1,
        .timeout = timeout,
        .connect_timeout = config->connect_timeout < timeout ? config->connect_timeout : timeout,
        .ca_file = config->ca_file,
        .proxy = config->proxy,
        .user_agent = config->user_agent,
        .max_body = MAX_TOKEN_ANSWER,
        .allow_http = config->allow_http,
    };
    struct gr_exchange *exchange = gr_exchange_new(&request);
    if (exchange)
        exchange->one_shot = true;
    for (size_t i = 0; exchange && i < config->header_count; i++) {
        const struct gr_pair *header = &config->headers[i];
        if (gr_exchange_add_header(exchange, header->name, strlen(header->name), header->value))
            continue;
        gr_exchange_free(exchange);
        exchange = NULL;
    }
    return exchange;
}

static void free_escaped(char *escaped)
{
    if (escaped)
        gr_zero(escaped, strlen(escaped));
    curl_free(escaped);
}

/* Escaping is libcurl's; it makes a space %20, which a form decoder reads like "+". */
static struct gr_secret *escape(const char *bytes, size_t len)
{
    if (len > INT_MAX)
        return NULL;
    char *escaped = len ? curl_easy_escape(NULL, bytes, (int)len) : NULL; /* 0 would mean strlen */
    struct gr_secret *secret =
        len && !escaped ? NULL
                        : gr_secret_new(escaped ? escaped : "", escaped ? strlen(escaped) : 0);
    free_escaped(escaped);
    return secret;
}

/* A form body that grows inside protected memory. */
struct form {
    struct gr_secret *bytes;
    size_t len;
    bool failed;
};

static void form_put(struct form *form, const char *bytes, size_t len)
{
    size_t have = form->bytes ? form->bytes->len : 0;
    if (form->failed || len == 0)
        return;
    if (form->len + len > have) {
        struct gr_secret *bigger = gr_secret_new(NULL, (form->len + len) * 2 + 256);
        form->failed = !bigger;
        if (!bigger)
            return;
        if (form->bytes)
            memcpy(bigger->bytes, form->bytes->bytes, form->len);
        gr_secret_free(form->bytes);
        form->bytes = bigger;
    }
    memcpy(form->bytes->bytes + form->len, bytes, len);
    form->len += len;
}

static void form_add(struct form *form, const char *name, const char *value, size_t len)
{
    struct gr_secret *n = escape(name, strlen(name)), *v = escape(value, len);
    form->failed = form->failed || !n || !v;
    if (!form->failed) {
        form_put(form, "&", form->len ? 1 : 0);
        form_put(form, n->bytes, n->len);
        form_put(form, "=", 1);
        form_put(form, v->bytes, v->len);
    }
    gr_secret_free(n);
    gr_secret_free(v);
}

static void form_add_text(struct form *form, const char *name, const char *value)
{
    if (value)
        form_add(form, name, value, strlen(value));
}

static struct gr_secret *form_take(struct form *form)
{
    struct gr_secret *exact = form->failed ? NULL : gr_secret_new(form->bytes->bytes, form->len);
    gr_secret_free(form->bytes);
    return exact;
}

static struct gr_secret *make_body(const struct gr_config *config, const struct gr_secret *secret)
{
    struct form form = {NULL, 0, false};
    form_add_text(&form, "grant_type", "client_credentials");
    if (config->auth != GR_AUTH_BASIC)
        form_add_text(&form, "client_id", config->client_id);
    if (config->auth == GR_AUTH_POST && secret)
        form_add(&form, "client_secret", secret->bytes, secret->len);
    form_add_text(&form, "scope", config->scope);
    for (size_t i = 0; i < config->param_count; i++)
        form_add_text(&form, config->params[i].name, config->params[i].value);
    return form_take(&form);
}

static bool fill_basic(const struct gr_config *config, const struct gr_secret *secret,
                       struct gr_exchange *exchange)
{
    const char *id = config->client_id ? config->client_id : "";
    exchange->username = escape(id, strlen(id));
    exchange->password = escape(secret ? secret->bytes : "", secret ? secret->len : 0);
    return exchange->username && exchange->password;
}

bool gr_config_fill(const struct gr_config *config, const struct gr_secret *secret,
                    struct gr_exchange *exchange)
{
    exchange->body = make_body(config, secret);
    if (!exchange->body)
        return false;
    return config->auth != GR_AUTH_BASIC || !(config->client_id || secret) ||
           fill_basic(config, secret, exchange);
}

/* ---- the secret file ---- */

static struct gr_secret *read_all(int fd, size_t size)
{
    struct gr_secret *secret = gr_secret_new(NULL, size);
    size_t len = 0;
    while (secret && len < size) {
        ssize_t got = read(fd, secret->bytes + len, size - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            gr_secret_free(secret);
            return NULL;
        }
        if (got == 0)
            break;
        len += (size_t)got;
    }
    while (secret && len > 0 && (secret->bytes[len - 1] == '\n' || secret->bytes[len - 1] == '\r'))
        len--;
    struct gr_secret *exact = secret ? gr_secret_new(secret->bytes, len) : NULL;
    gr_secret_free(secret);
    return exact;
}

static const char *read_problem(const struct stat *stamp)
{
    if (!S_ISREG(stamp->st_mode))
        return "it is not a regular file";
    if (stamp->st_size == 0)
        return "it is empty";
    return stamp->st_size > MAX_SECRET_FILE ? "it is larger than 64 KiB" : NULL;
}

static struct gr_secret *read_file(const char *path, struct stat *stamp, const char **problem)
{
    struct gr_secret *secret = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, stamp) != 0) {
        *problem = strerror(errno);
    } else if (!(*problem = read_problem(stamp))) {
        secret = read_all(fd, (size_t)stamp->st_size);
        *problem = secret && secret->len == 0 ? "it is empty" : strerror(errno);
    }
    if (fd >= 0)
        close(fd);
    if (secret && secret->len > 0)
        return secret;
    gr_secret_free(secret);
    return NULL;
}

struct gr_secret *gr_config_read_secret(const struct gr_config *config, struct stat *stamp,
                                        struct gr_error *error)
{
    const char *problem = NULL;
    struct gr_secret *secret = read_file(config->secret_file, stamp, &problem);
    if (!secret)
        gr_error_set(error, GR_E_TOKEN, "secret_unreadable", 0, true,
                     "the client secret file cannot be read: %s", problem);
    return secret;
}

bool gr_config_secret_changed(const struct gr_config *config, const struct stat *stamp)
{
    struct stat now;
    if (!config->secret_file || stat(config->secret_file, &now) != 0)
        return false;
    return !gr_port_same_file(&now, stamp);
}
