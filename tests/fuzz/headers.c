/* The head of an answer, as libcurl hands it over: line by line. Input: the head; with a "*" in front it comes
 * REPEATS times over, which may be more than is taken. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "exchange.h"
#include "fuzz.h"

enum { LINES_MAX = 64 * 1024, REPEATS = 256 };

static const struct gr_request request = {
    .method = "GET", .url = "http://127.0.0.1/", .timeout = 1, .connect_timeout = 1, .max_body = 1};

/* Whether all of it fitted. */
static bool take(struct gr_exchange *exchange, const char *at, size_t size)
{
    while (size > 0) {
        const char *stop = memchr(at, '\n', size);
        size_t len = stop ? (size_t)(stop - at) + 1 : size;
        if (!gr_exchange_take_line(exchange, at, len))
            return false;
        at += len;
        size -= len;
    }
    return true;
}

/* A line of the list: "name: value", by which its first value is found. */
static void check_line(const struct gr_exchange *exchange, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len), *value;
    char *name;
    size_t value_len;
    FUZZ_CHECK(colon && line[0] != ' ' && line[0] != '\t' && line[len - 1] != ' ');
    for (const char *c = line; c < colon; c++)
        FUZZ_CHECK(!isupper((unsigned char)*c));
    if (memchr(line, '\0', (size_t)(colon - line)))
        return; /* no C string names it */
    name = strndup(line, (size_t)(colon - line));
    FUZZ_CHECK(name);
    value = gr_exchange_field(exchange, name, &value_len);
    FUZZ_CHECK(value && value > exchange->fields.data && value <= line + len);
    FUZZ_CHECK(value_len == 0 || (value[0] != ' ' && value[0] != '\t'));
    FUZZ_CHECK(value[value_len] == '\n' && !memchr(value, '\n', value_len));
    free(name);
}

static void check_fields(const struct gr_exchange *exchange)
{
    const char *at = exchange->fields.data;
    size_t left = exchange->fields.len, lines = 0;
    FUZZ_CHECK(left <= LINES_MAX && left <= exchange->fields.capacity);
    while (left > 0) {
        const char *stop = memchr(at, '\n', left);
        FUZZ_CHECK(stop && stop > at);
        if (lines++ < 64) /* each looks through all before it */
            check_line(exchange, at, (size_t)(stop - at));
        left -= (size_t)(stop - at) + 1;
        at = stop + 1;
    }
}

/* Against the model, for a count of seconds: how a date is read is libcurl's. */
static void check_retry_after(const struct gr_exchange *exchange)
{
    double seconds = exchange->retry_after;
    size_t len;
    const char *value = gr_exchange_field(exchange, "retry-after", &len);
    FUZZ_CHECK(seconds == -1 || (seconds >= 0 && isfinite(seconds)));
    if (!value)
        FUZZ_CHECK(seconds == -1);
    else if (len > 0 && len < 10 && strspn(value, "0123456789") == len)
        FUZZ_CHECK(seconds == (double)strtoul(value, NULL, 10));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gr_exchange *exchange = gr_exchange_new(&request);
    bool repeated = size > 0 && data[0] == '*', whole = true;
    FUZZ_CHECK(exchange);
    for (int i = repeated ? REPEATS : 1; whole && i > 0; i--)
        whole = take(exchange, (const char *)data + repeated, size - repeated);
    FUZZ_CHECK(whole == (exchange->error.kind == GR_OK));
    check_fields(exchange);
    exchange->easy = curl_easy_init();
    gr_exchange_close(exchange, CURLE_OK);
    if (whole)
        check_retry_after(exchange);
    curl_easy_cleanup(exchange->easy);
    gr_exchange_free(exchange);
    return 0;
}
