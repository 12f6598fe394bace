/* answer: a row for each thing a token service may say. No check prints a token or a secret. */
#include <jansson.h>
#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "answer.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* What most rows are made of. */
#define OAUTH(code)       "{\"error\":\"" code "\"}"
#define LASTING(lifetime) "{\"access_token\":\"t\",\"expires_in\":" lifetime "}"

#define CHECK(name, condition)                                         \
    do {                                                               \
        if (!(condition)) {                                            \
            print_error("row \"%s\": not so: %s\n", name, #condition); \
            fail();                                                    \
        }                                                              \
    } while (0)

static struct gr_answer read_body(int status, const char *body, size_t len, double retry_after,
                                  const char *secret)
{
    struct gr_secret *sent = secret ? gr_secret_new(secret, strlen(secret)) : NULL;
    struct gr_answer answer;
    /* A copy of exactly that length: the sanitizer sees a byte read too far. */
    char *copy = malloc(len ? len : 1);

    assert_non_null(copy);
    memcpy(copy, body, len);
    gr_answer_read(&answer, status, copy, len, retry_after, sent);
    free(copy);
    gr_secret_free(sent);
    return answer;
}

static bool holds(const struct gr_secret *token, const char *bytes)
{
    return token && token->len == strlen(bytes) && memcmp(token->bytes, bytes, token->len) == 0;
}

static bool one_readable_line(const char *message)
{
    size_t len = strlen(message);

    for (size_t i = 0; i < len; i++) {
        if (message[i] < 0x20 || message[i] > 0x7e)
            return false;
    }
    return len > 20 && len < sizeof((struct gr_error *)0)->message - 1;
}

static void tokens(void **state)
{
    static const struct {
        const char *name, *body, *token;
        double expires_in;
    } rows[] = {
        {"rfc 6749", "{\"access_token\":\"tok\",\"token_type\":\"Bearer\",\"expires_in\":3600}",
         "tok", 3600},
        {"token_type a URL",
         "{\"token_type\":\"http://x/y\",\"access_token\":\"t\",\"expires_in\":600}", "t", 600},
        {"token_type odd", "{\"token_type\":{\"a\":[1]},\"access_token\":\"t\",\"expires_in\":600}",
         "t", 600},
        {"accessToken", "{\"accessToken\":\"tok\",\"expires_in\":60}", "tok", 60},
        {"expiresIn", "{\"accessToken\":\"tok\",\"expiresIn\":60}", "tok", 60},
        {"both names", "{\"accessToken\":\"b\",\"access_token\":\"a\",\"expires_in\":60}", "a", 60},
        {"first empty", "{\"accessToken\":\"b\",\"access_token\":\"\",\"expires_in\":60}", "b", 60},
        {"first null", "{\"accessToken\":\"b\",\"access_token\":null,\"expires_in\":60}", "b", 60},
        {"first a number", "{\"accessToken\":\"b\",\"access_token\":7,\"expires_in\":60}", "b", 60},
        {"unknown fields",
         "{\"x\":[{}],\"access_token\":\"t\",\"expires_in\":60,\"scope\":\"a b\"}", "t", 60},
        {"whitespace", " \r\n{ \"access_token\" : \"t\" , \"expires_in\" : 60 }\r\n ", "t", 60},
        {"every legal byte", "{\"access_token\":\" !#~AZaz09-._~+/=\"}", " !#~AZaz09-._~+/=", 300},
        {"escapes", "{\"access_token\":\"a\\u0062\\/\\\"\"}", "ab/\"", 300},
        {"empty error", "{\"error\":\"\",\"access_token\":\"t\",\"expires_in\":60}", "t", 60},
        {"null error", "{\"error\":null,\"access_token\":\"t\",\"expires_in\":60}", "t", 60},
        {"lifetime missing", "{\"access_token\":\"t\"}", "t", 300},
        {"lifetime null", LASTING("null"), "t", 300},
        {"lifetime true", LASTING("true"), "t", 300},
        {"lifetime a list", LASTING("[60]"), "t", 300},
        {"lifetime empty", LASTING("\"\""), "t", 300},
        {"lifetime a word", LASTING("\"soon\""), "t", 300},
        {"lifetime with unit", LASTING("\"60s\""), "t", 300},
        {"lifetime hex", LASTING("\"0x10\""), "t", 300},
        {"lifetime inf", LASTING("\"inf\""), "t", 300},
        {"lifetime nan", LASTING("\"nan\""), "t", 300},
        {"lifetime list in string", LASTING("\"[60]\""), "t", 300},
        {"lifetime string in string", LASTING("\"\\\"60\\\"\""), "t", 300},
        {"numeric string", LASTING("\"3600\""), "t", 3600},
        {"numeric string, spaces", LASTING("\" 3600 \""), "t", 3600},
        {"fraction string", LASTING("\"59.5\""), "t", 59.5},
        {"fraction", LASTING("59.5"), "t", 59.5},
        {"exponent", LASTING("6e1"), "t", 60},
        {"zero", LASTING("0"), "t", 0},
        {"negative", LASTING("-5"), "t", -5},
        {"negative string", LASTING("\"-5\""), "t", -5},
        {"beyond 64 bits", LASTING("99999999999999999999"), "t", 1e20},
        {"huge", LASTING("1e300"), "t", 1e300},
        {"tiny", LASTING("1e-999"), "t", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *name = rows[i].name;
        struct gr_answer a = read_body(200, rows[i].body, strlen(rows[i].body), -1, "s3cret");
        CHECK(name, a.verdict == GR_RENEWED);
        CHECK(name, holds(a.token, rows[i].token));
        CHECK(name, fabs(a.expires_in - rows[i].expires_in) <= fabs(rows[i].expires_in) * 1e-9);
        CHECK(name, isnan(a.refresh_in));
        CHECK(name, a.error.kind == GR_OK);
        gr_answer_clear(&a);
        CHECK(name, a.token == NULL);
    }
}

static void refresh_in(void **state)
{
    static const struct {
        const char *name, *value;
        double expected;
    } rows[] = {
        {"number", "1800", 1800},  {"fraction", "0.5", 0.5},         {"string", "\"1800\"", 1800},
        {"zero", "0", NAN},        {"negative", "-1", NAN},          {"null", "null", NAN},
        {"word", "\"soon\"", NAN}, {"not finite", "\"1e999\"", NAN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char body[128];
        struct gr_answer a;
        int len = snprintf(body, sizeof body, "{\"access_token\":\"t\",\"refresh_in\":%s}",
                           rows[i].value);
        a = read_body(200, body, (size_t)len, -1, NULL);
        CHECK(rows[i].name, a.verdict == GR_RENEWED);
        CHECK(rows[i].name, isnan(rows[i].expected) ? isnan(a.refresh_in)
                                                    : fabs(a.refresh_in - rows[i].expected) < 1e-9);
        gr_answer_clear(&a);
    }
}

struct failure {
    const char *name;
    int status;
    const char *body;
    enum gr_verdict verdict;
    bool retryable;
    const char *code;
};

static void check_failure(const struct failure *row, const char *secret)
{
    struct gr_answer a = read_body(row->status, row->body, strlen(row->body), 7, secret);
    struct gr_answer unasked = read_body(row->status, row->body, strlen(row->body), -1, secret);

    CHECK(row->name, a.verdict == row->verdict);
    CHECK(row->name, a.token == NULL);
    CHECK(row->name, a.error.kind == GR_E_TOKEN);
    CHECK(row->name, a.error.status == row->status);
    CHECK(row->name, a.error.retryable == row->retryable);
    CHECK(row->name, strcmp(a.error.code, row->code) == 0);
    CHECK(row->name, a.error.retry_after > 6.9 && a.error.retry_after < 7.1);
    CHECK(row->name, unasked.error.retry_after < 0);
    CHECK(row->name, one_readable_line(a.error.message));
    CHECK(row->name, !secret || !strstr(a.error.message, secret));
    gr_answer_clear(&a);
}

static void failures(void **state)
{
    static const struct failure rows[] = {
        {"permanent, 401", 401, OAUTH("invalid_client"), GR_REFUSED, false, "invalid_client"},
        {"permanent, 400", 400, OAUTH("invalid_client"), GR_REFUSED, false, "invalid_client"},
        {"permanent, 200", 200, OAUTH("invalid_client"), GR_REFUSED, false, "invalid_client"},
        {"permanent, 404", 404, OAUTH("invalid_client"), GR_REFUSED, false, "invalid_client"},
        {"permanent, 302", 302, OAUTH("invalid_client"), GR_REFUSED, false, "invalid_client"},
        {"permanent, 500", 500, OAUTH("invalid_client"), GR_FAILED, true, "invalid_client"},
        {"permanent, 429", 429, OAUTH("invalid_client"), GR_FAILED, true, "invalid_client"},
        {"error beats token", 200, "{\"access_token\":\"t\",\"error\":\"invalid_scope\"}",
         GR_REFUSED, false, "invalid_scope"},
        {"unauthorized_client", 400, OAUTH("unauthorized_client"), GR_REFUSED, false,
         "unauthorized_client"},
        {"invalid_scope", 400, OAUTH("invalid_scope"), GR_REFUSED, false, "invalid_scope"},
        {"invalid_grant", 400, OAUTH("invalid_grant"), GR_REFUSED, false, "invalid_grant"},
        {"invalid_request", 400, OAUTH("invalid_request"), GR_REFUSED, false, "invalid_request"},
        {"unsupported_grant_type", 400, OAUTH("unsupported_grant_type"), GR_REFUSED, false,
         "unsupported_grant_type"},
        {"access_denied", 403, OAUTH("access_denied"), GR_REFUSED, false, "access_denied"},
        {"invalid_target", 400, OAUTH("invalid_target"), GR_REFUSED, false, "invalid_target"},
        {"temporarily_unavailable", 400, OAUTH("temporarily_unavailable"), GR_FAILED, true,
         "temporarily_unavailable"},
        {"server_error", 400, OAUTH("server_error"), GR_FAILED, true, "server_error"},
        {"slow_down", 400, OAUTH("slow_down"), GR_FAILED, true, "slow_down"},
        {"authorization_pending", 400, OAUTH("authorization_pending"), GR_FAILED, true,
         "authorization_pending"},
        {"other, 400", 400, OAUTH("interaction_required"), GR_REFUSED, false,
         "interaction_required"},
        {"other, 401", 401, OAUTH("bad.client-key"), GR_REFUSED, false, "bad_client_key"},
        {"other, 403", 403, OAUTH("app_disabled"), GR_REFUSED, false, "app_disabled"},
        {"other, 200", 200, OAUTH("app_disabled"), GR_FAILED, true, "app_disabled"},
        {"other, 503", 503, OAUTH("app_disabled"), GR_FAILED, true, "app_disabled"},
        {"description ignored", 400,
         "{\"error\":\"invalid_scope\",\"error_description\":\"s3cret-value\"}", GR_REFUSED, false,
         "invalid_scope"},

        {"upper case", 400, OAUTH("Invalid_Client"), GR_REFUSED, false, "unknown_error"},
        {"a sentence", 400, OAUTH("your key is wrong"), GR_REFUSED, false, "unknown_error"},
        {"a digit first", 400, OAUTH("1abc"), GR_REFUSED, false, "unknown_error"},
        {"one letter", 400, OAUTH("x"), GR_REFUSED, false, "unknown_error"},
        {"control characters", 400, OAUTH("a\\r\\nset-cookie"), GR_REFUSED, false, "unknown_error"},
        {"nul inside", 400, OAUTH("invalid_client\\u0000x"), GR_REFUSED, false, "unknown_error"},
        {"41 bytes", 400, OAUTH("abcdefghijabcdefghijabcdefghijabcdefghijk"), GR_REFUSED, false,
         "abcdefghijabcdefghijabcdefghijabcdefghijk"},
        {"42 bytes", 400, OAUTH("abcdefghijabcdefghijabcdefghijabcdefghijkl"), GR_REFUSED, false,
         "unknown_error"},

        {"429", 429, "slow", GR_FAILED, true, "too_many_requests"},
        {"500", 500, "", GR_FAILED, true, "http_500"},
        {"503", 503, "<html>busy</html>", GR_FAILED, true, "http_503"},
        {"503, token", 503, "{\"access_token\":\"t\"}", GR_FAILED, true, "http_503"},
        {"404", 404, "<html>no</html>", GR_FAILED, false, "http_404"},
        {"404, object", 404, "{\"message\":\"no\"}", GR_FAILED, false, "http_404"},
        {"401, no object", 401, "", GR_FAILED, false, "http_401"},
        {"400, error an object", 400, "{\"error\":{\"code\":\"x\"}}", GR_FAILED, false, "http_400"},
        {"408", 408, "", GR_FAILED, true, "http_408"},
        {"302", 302, "", GR_FAILED, false, "redirect"},
        {"307, token", 307, "{\"access_token\":\"t\"}", GR_FAILED, false, "redirect"},

        {"empty", 200, "", GR_FAILED, true, "invalid_response"},
        {"204", 204, "", GR_FAILED, true, "invalid_response"},
        {"html", 200, "<!doctype html><title>sign in</title>", GR_FAILED, true, "invalid_response"},
        {"truncated", 200, "{\"access_token\":\"s3cret-value", GR_FAILED, true, "invalid_response"},
        {"trailing", 200, "{\"access_token\":\"t\"}x", GR_FAILED, true, "invalid_response"},
        {"form", 200, "access_token=t&expires_in=60", GR_FAILED, true, "invalid_response"},
        {"bad utf-8", 200, "{\"access_token\":\"\xff\"}", GR_FAILED, true, "invalid_response"},
        {"a list", 200, "[{\"access_token\":\"t\"}]", GR_FAILED, true, "invalid_response"},
        {"a string", 200, "\"t\"", GR_FAILED, true, "invalid_response"},
        {"null", 200, "null", GR_FAILED, true, "invalid_response"},
        {"empty object", 200, "{}", GR_FAILED, true, "invalid_response"},
        {"token empty", 200, "{\"access_token\":\"\"}", GR_FAILED, true, "invalid_response"},
        {"token a number", 200, "{\"access_token\":12}", GR_FAILED, true, "invalid_response"},
        {"token a list", 200, "{\"access_token\":[\"t\"]}", GR_FAILED, true, "invalid_response"},
        {"lifetime not finite", 200, LASTING("1e999"), GR_FAILED, true, "invalid_response"},
        {"lifetime -not finite", 200, LASTING("-1e999"), GR_FAILED, true, "invalid_response"},
        {"string not finite", 200, LASTING("\"1e999\""), GR_FAILED, true, "invalid_response"},
        {"lifetime NaN", 200, LASTING("NaN"), GR_FAILED, true, "invalid_response"},

        {"token, newline", 200, "{\"access_token\":\"t\\r\\nx: y\"}", GR_FAILED, true,
         "invalid_token"},
        {"token, nul", 200, "{\"access_token\":\"t\\u0000\"}", GR_FAILED, true, "invalid_token"},
        {"token, tab", 200, "{\"access_token\":\"t\\t\"}", GR_FAILED, true, "invalid_token"},
        {"token, del", 200, "{\"access_token\":\"t\x7f\"}", GR_FAILED, true, "invalid_token"},
        {"token, not ascii", 200, "{\"access_token\":\"t\\u00e9\"}", GR_FAILED, true,
         "invalid_token"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        check_failure(&rows[i], "s3cret-value");
}

/* A service that repeats the secret, or a good part of it, in its error code. */
static void echoes_stop_here(void **state)
{
    static const struct {
        const char *secret;
        struct failure row;
    } rows[] = {
        {"topsecretvalue",
         {"whole", 400, OAUTH("topsecretvalue"), GR_REFUSED, false, "unknown_error"}},
        {"topsecretvalue",
         {"inside", 401, OAUTH("bad_topsecretvalue_here"), GR_REFUSED, false, "unknown_error"}},
        {"topsecretvalue", {"a part", 401, OAUTH("secretv"), GR_REFUSED, false, "unknown_error"}},
        {"topsecretvalue",
         {"a part, inside", 401, OAUTH("bad_secretvalue"), GR_REFUSED, false, "unknown_error"}},
        {"top.secret-value",
         {"before normalising", 400, OAUTH("x_top.secret-value"), GR_REFUSED, false,
          "unknown_error"}},
        {"top_Secret_value",
         {"in another spelling", 400, OAUTH("top-secret.value"), GR_REFUSED, false,
          "unknown_error"}},
        {"abc", {"a short one", 400, OAUTH("x_abc_y"), GR_REFUSED, false, "unknown_error"}},
        {"topsecretvalue",
         {"another", 400, OAUTH("app_disabled"), GR_REFUSED, false, "app_disabled"}},
        {"xinvalid_clientx",
         {"a known one", 400, OAUTH("invalid_client"), GR_REFUSED, false, "invalid_client"}},
    };
    struct gr_answer a;
    const char *body = OAUTH("app_disabled");

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        check_failure(&rows[i].row, rows[i].secret);
    a = read_body(400, body, strlen(body), NAN, "");
    assert_true(strcmp(a.error.code, "app_disabled") == 0);
    assert_true(a.error.retry_after < 0);
}

static void token_of_64_kib(void **state)
{
    size_t len = 65000;
    char *body = malloc(len + 32);
    int head = sprintf(body, "{\"access_token\":\"");
    struct gr_answer a;

    (void)state;
    memset(body + head, 'x', len);
    strcpy(body + head + len, "\"}");
    a = read_body(200, body, (size_t)head + len + 2, -1, NULL);
    assert_int_equal(a.verdict, GR_RENEWED);
    assert_int_equal(a.token->len, len);
    gr_answer_clear(&a);
    free(body);
}

static void deep_nesting_is_no_crash(void **state)
{
    size_t len = 65536;
    char *body = malloc(len);
    struct gr_answer a;

    (void)state;
    memset(body, '[', len);
    a = read_body(200, body, len, -1, NULL);
    assert_int_equal(a.verdict, GR_FAILED);
    assert_true(strcmp(a.error.code, "invalid_response") == 0);
    free(body);
}

static bool token_freed_as_it_was;

/* jansson's copy of a string begins its block; in the lexer's buffer a quote comes first. */
static void watching_free(void *memory)
{
    if (memory && malloc_usable_size(memory) > 8 && memcmp(memory, "t0kenwatched", 8) == 0)
        token_freed_as_it_was = true;
    free(memory);
}

static void copies_of_jansson_are_zeroed(void **state)
{
    static const char *const bodies[] = {
        "{\"access_token\":\"t0kenwatched\",\"expires_in\":60}",
        "{\"access_token\":\"t\",\"refresh_token\":\"t0kenwatched\"}",
        OAUTH("t0kenwatched"),
    };
    json_malloc_t old_malloc;
    json_free_t old_free;

    (void)state;
    json_get_alloc_funcs(&old_malloc, &old_free);
    json_set_alloc_funcs(malloc, watching_free);
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct gr_answer a = read_body(200, bodies[i], strlen(bodies[i]), -1, NULL);
        assert_false(token_freed_as_it_was);
        gr_answer_clear(&a);
    }
    json_set_alloc_funcs(old_malloc, old_free);
}

/* Cut anywhere, or with any byte changed: a verdict, and a token only where one can be sent. */
static void damaged_answers(void **state)
{
    static const char body[] =
        "{\"access_token\":\"abc\",\"expires_in\":\"3600\",\"refresh_in\":10,\"error\":null}";
    char changed[sizeof body];

    (void)state;
    for (size_t len = 0; len < sizeof body - 1; len++) {
        struct gr_answer a = read_body(200, body, len, -1, "abc");
        assert_int_equal(a.verdict, GR_FAILED);
        gr_answer_clear(&a);
    }
    for (size_t at = 0; at < sizeof body - 1; at++) {
        for (int byte = 0; byte < 256; byte++) {
            struct gr_answer a;
            memcpy(changed, body, sizeof body);
            changed[at] = (char)byte;
            a = read_body(200, changed, sizeof body - 1, -1, "abc");
            assert_true((a.verdict == GR_RENEWED) == (a.token != NULL));
            assert_true((a.error.kind == GR_OK) == (a.token != NULL));
            assert_true(isfinite(a.expires_in));
            for (size_t i = 0; a.token && i < a.token->len; i++)
                assert_true(a.token->bytes[i] >= 0x20 && a.token->bytes[i] <= 0x7e);
            gr_answer_clear(&a);
        }
    }
    assert_int_equal(gr_secret_count(), 0);
}

static void errors_are_cut_to_fit(void **state)
{
    struct gr_error err;
    char path[300];

    (void)state;
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    gr_error_set(&err, GR_E_ARGUMENT, "no_file", 0, false, "cannot read %s\n", "a\nb");
    assert_string_equal(err.message, "cannot read a b ");
    assert_string_equal(gr_kind_name(err.kind), "argument");
    assert_true(err.retry_after < 0);
    gr_error_set(&err, GR_E_ARGUMENT, path, 0, false, "%s", path);
    assert_int_equal(strlen(err.code), sizeof err.code - 1);
    for (size_t shift = 0; shift < 4; shift++) {
        for (size_t i = 0; i + 2 < sizeof path; i += 2)
            memcpy(path + i, "\xc3\xa9", 2); /* e acute */
        path[sizeof path - 3] = '\0';
        gr_error_set(&err, GR_E_ARGUMENT, "x", 0, false, "%.*s%s", (int)shift, "abcd", path);
        assert_int_equal((strlen(err.message) - shift) % 2, 0);
        assert_true(strlen(err.message) >= sizeof err.message - 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens),
        cmocka_unit_test(refresh_in),
        cmocka_unit_test(failures),
        cmocka_unit_test(echoes_stop_here),
        cmocka_unit_test(token_of_64_kib),
        cmocka_unit_test(deep_nesting_is_no_crash),
        cmocka_unit_test(copies_of_jansson_are_zeroed),
        cmocka_unit_test(damaged_answers),
        cmocka_unit_test(errors_are_cut_to_fit),
    };

    return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
