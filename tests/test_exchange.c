/* exchange: what goes over the wire, and what is made of what comes back. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server.h"
#include "tools.h"

static struct server *server;
static struct gr_mailbox *box;

static int begin(void **state)
{
    (void)state;
    server = server_new();
    return !server;
}

static int end(void **state)
{
    (void)state;
    server_free(server);
    return 0;
}

static const char *url_of(const char *path)
{
    static char url[8192];
    snprintf(url, sizeof url, "%s%s", server_url(server), path);
    return url;
}

static struct gr_op *finished(const struct gr_request *request)
{
    struct gr_op *op = gr_op_request(box, request);
    assert_non_null(op);
    assert_true(gr_op_wait(op, LONG));
    return op;
}

static struct gr_op *get(const char *path)
{
    struct gr_request request = request_to("GET", url_of(path));
    return finished(&request);
}

static struct gr_op *get_once(const struct reply *reply)
{
    server_reply_once(server, reply);
    return get("/");
}

static void check_answer(struct gr_op *op, int status, const char *body)
{
    assert_string_equal(op->error.code, "");
    assert_int_equal(op->error.kind, GR_OK);
    assert_int_equal(op->exchange->status, status);
    assert_int_equal(op->exchange->answer.len, strlen(body));
    if (*body)
        assert_memory_equal(op->exchange->answer.data, body, strlen(body));
    gr_op_release(op);
}

static void check_error(struct gr_op *op, enum gr_kind kind, const char *code)
{
    assert_string_equal(op->error.code, code);
    assert_int_equal(op->error.kind, kind);
    gr_op_release(op);
}

static char *field(struct gr_op *op, const char *name)
{
    static char text[1024];
    size_t len;
    const char *value = gr_exchange_field(op->exchange, name, &len);
    if (!value)
        return NULL;
    memcpy(text, value, len);
    text[len] = '\0';
    return text;
}

/* ---- requests ---- */

static bool sent(const char *text)
{
    return strstr(server_last(server), text) != NULL;
}

static void what_is_sent(void **state)
{
    static const char *const headers[] = {"Authorization: Bearer x", "X-Name: value"};
    struct gr_request request = request_to("GET", url_of("/a%20b?q=1%2B2"));
    (void)state;
    request.headers = headers;
    request.header_count = COUNT(headers);
    request.user_agent = "me/1";
    check_answer(finished(&request), 200, "");
    assert_true(sent("GET /a%20b?q=1%2B2 HTTP/1.1\r\n"));
    assert_true(sent("\r\nAuthorization: Bearer x\r\n"));
    assert_true(sent("\r\nX-Name: value\r\n"));
    assert_true(sent("\r\nUser-Agent: me/1\r\n"));
    assert_true(sent("\r\nAccept-Encoding: "));
    check_answer(get("/"), 200, "");
    assert_true(sent("\r\nUser-Agent: groove/"));
}

static void check_method(const char *method, const char *body, const char *line, const char *length)
{
    struct gr_request request = request_to(method, url_of("/"));
    request.body = body;
    request.body_len = body ? strlen(body) : 0;
    check_answer(finished(&request), 200, "");
    assert_true(sent(line));
    assert_true(!length == !sent("Content-Length: "));
    assert_true(!length || sent(length));
    if (body && length)
        assert_string_equal(strstr(server_last(server), "\r\n\r\n") + 4, body);
}

static void methods_and_bodies(void **state)
{
    (void)state;
    check_method("GET", NULL, "GET / HTTP/1.1\r\n", NULL);
    check_method("HEAD", NULL, "HEAD / HTTP/1.1\r\n", NULL);
    check_method("HEAD", "none is sent", "HEAD / HTTP/1.1\r\n", NULL);
    check_method("POST", "{\"a\":1}", "POST / HTTP/1.1\r\n", "Content-Length: 7\r\n");
    check_method("POST", NULL, "POST / HTTP/1.1\r\n", "Content-Length: 0\r\n");
    check_method("POST", "", "POST / HTTP/1.1\r\n", "Content-Length: 0\r\n");
    check_method("PUT", "abc", "PUT / HTTP/1.1\r\n", "Content-Length: 3\r\n");
    check_method("PATCH", "abc", "PATCH / HTTP/1.1\r\n", "Content-Length: 3\r\n");
    check_method("DELETE", NULL, "DELETE / HTTP/1.1\r\n", NULL);
    check_method("DELETE", "abc", "DELETE / HTTP/1.1\r\n", "Content-Length: 3\r\n");
    check_method("GET", NULL, "GET / HTTP/1.1\r\n", NULL);
}

static void check_refused(const char *url, bool allow_http)
{
    struct gr_request request = request_to("GET", url);
    request.allow_http = allow_http;
    check_error(finished(&request), GR_E_ARGUMENT, "url_refused");
}

static void refused_before_sending(void **state)
{
    (void)state;
    check_refused("http://example.com/", false);
    check_refused("http://127.0.0.1.evil.example/", false);
    check_refused("ftp://127.0.0.1/", true);
    check_refused("file:///etc/passwd", true);
    check_refused("http://user:password@127.0.0.1/", true);
    check_refused("nonsense", true);
    assert_int_equal(server_count(server), 0);
}

/* ---- connections ---- */

static void gets_reuse_a_connection(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        check_answer(get("/"), 200, "");
    assert_int_equal(server_connections(server), 1);
}

static void posts_take_a_fresh_one(void **state)
{
    (void)state;
    check_answer(get("/"), 200, "");
    for (int i = 0; i < 5; i++)
        check_method("POST", "a", "POST / HTTP/1.1\r\n", "Content-Length: 1\r\n");
    assert_int_equal(server_connections(server), 6);
    check_answer(get("/"), 200, "");
    assert_int_equal(server_connections(server), 6);
}

/* The server has closed the connection by the time of the next request, or closes it as that comes. */
static void get_is_repeated_on_a_dead_connection(void **state)
{
    (void)state;
    check_answer(get_once(&(struct reply){.hang_up = true}), 200, "");
    check_answer(get("/"), 200, "");
    assert_int_equal(server_count(server), 2);
    check_answer(get_once(&(struct reply){.cut = CUT_ALL}), 200, "");
    assert_int_equal(server_count(server), 4);
    assert_int_equal(server_connections(server), 3);
}

static void post_is_never_repeated(void **state)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH"};
    (void)state;
    for (size_t i = 0; i < COUNT(methods); i++) {
        struct gr_request request = request_to(methods[i], url_of("/"));
        unsigned before;
        request.body = "a";
        request.body_len = 1;
        check_answer(get("/"), 200, ""); /* there is an idle connection */
        before = server_count(server);
        server_reply_once(server, &(struct reply){.cut = CUT_ALL});
        check_error(finished(&request), GR_E_TRANSPORT, "connection_broken");
        assert_int_equal(server_count(server), before + 1);
        check_answer(get_once(&(struct reply){.hang_up = true}), 200, "");
        check_answer(finished(&request), 200, "");
        assert_int_equal(server_count(server), before + 3);
    }
}

static void redirects_are_not_followed(void **state)
{
    static const int codes[] = {301, 302, 303, 307, 308};
    char location[128];
    (void)state;
    snprintf(location, sizeof location, "Location: %s/elsewhere\r\n", server_url(server));
    for (size_t i = 0; i < COUNT(codes); i++) {
        struct gr_op *op = get_once(&(struct reply){.status = codes[i], .headers = location});
        assert_non_null(field(op, "location"));
        check_answer(op, codes[i], "");
    }
    assert_int_equal(server_count(server), COUNT(codes));
    assert_int_equal(server_count_path(server, "/elsewhere"), 0);
}

static void nobody_listens(void **state)
{
    struct server *gone = server_new();
    char url[64];
    (void)state;
    strcpy(url, server_url(gone));
    server_free(gone);
    struct gr_request request = request_to("GET", url);
    struct gr_op *op = finished(&request);
    assert_true(op->error.retryable);
    check_error(op, GR_E_TRANSPORT, "connect_failed");
}

/* One slow answer must not keep other requests to that host waiting. */
static void requests_run_side_by_side(void **state)
{
    struct gr_request request = request_to("GET", url_of("/slow"));
    (void)state;
    server_reply_once(server, &(struct reply){.hold = true});
    struct gr_op *slow = gr_op_request(box, &request);
    gr_op_watch(slow);
    assert_true(server_wait_held(server, 1, LONG));
    check_answer(get("/fast"), 200, "");
    assert_false(gr_op_done(slow));
    server_release(server);
    assert_true(gr_op_wait(slow, LONG));
    check_answer(slow, 200, "");
    struct gr_event event;
    assert_int_equal(gr_mailbox_next(box, &slow, &event), GR_MAIL_OP);
    gr_op_release(slow);
}

/* ---- answers ---- */

static void headers_are_read(void **state)
{
    (void)state;
    struct gr_op *op = get_once(
        &(struct reply){.headers = "X-One:  1 2 \r\nx-TWO:\r\nX-Colon: a:b\r\nX-One: second\r\n"});
    assert_string_equal(field(op, "x-one"), "1 2");
    assert_string_equal(field(op, "x-two"), "");
    assert_string_equal(field(op, "x-colon"), "a:b");
    assert_null(field(op, "x-on"));
    assert_null(field(op, "x-ones"));
    check_answer(op, 200, "");
}

static void interim_answers_are_passed_over(void **state)
{
    (void)state;
    struct gr_op *op = get_once(
        &(struct reply){.raw = "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\nRetry-After: 9\r\n\r\n"
                               "HTTP/1.1 200 OK\r\nX-Late: 2\r\nContent-Length: 2\r\n\r\nok"});
    assert_null(field(op, "x-early"));
    assert_string_equal(field(op, "x-late"), "2");
    assert_true(op->exchange->retry_after < 0);
    check_answer(op, 200, "ok");
}

static void folded_headers(void **state)
{
    (void)state;
    struct gr_op *op = get_once(&(struct reply){
        .raw = "HTTP/1.1 200 OK\r\nX-Folded: a\r\n Retry-After: 9\r\n\tlocation: b\r\n"
               "X-Next: c\r\nContent-Length: 0\r\n\r\n"});
    assert_true(op->exchange->retry_after < 0);
    assert_null(field(op, "location"));
    assert_null(field(op, " retry-after"));
    assert_memory_equal(field(op, "x-folded"), "a", 1);
    assert_string_equal(field(op, "x-next"), "c");
    check_answer(op, 200, "");
}

static void headers_are_bounded(void **state)
{
    static char raw[80 * 1024] = "HTTP/1.1 200 OK\r\n";
    char *at = raw + strlen(raw);
    (void)state;
    while (at < raw + 70 * 1024)
        at += sprintf(at, "X-%zu: %040d\r\n", (size_t)(at - raw), 0);
    strcpy(at, "\r\n");
    check_error(get_once(&(struct reply){.raw = raw}), GR_E_TRANSPORT, "answer_too_large");
}

static void retry_after(void **state)
{
    static const struct {
        const char *headers;
        double seconds;
    } rows[] = {
        {"", -1},
        {"Retry-After: 7\r\n", 7},
        {"Retry-After:   0  \r\n", 0},
        {"Retry-After: 99999999999\r\n", 99999999999.0},
        {"Retry-After: -5\r\n", -1},
        {"Retry-After: soon\r\n", -1},
        {"Retry-After: 1.5\r\n", -1},
        {"Retry-After:\r\n", -1},
        /* a date counts from the server's own, whatever the clock here says */
        {"Date: Tue, 15 Nov 1994 08:12:31 GMT\r\nRetry-After: Tue, 15 Nov 1994 08:13:01 GMT\r\n",
         30},
        {"Date: Tue, 15 Nov 1994 08:12:31 GMT\r\nRetry-After: Tue, 15 Nov 1994 08:12:01 GMT\r\n",
         0},
        {"Date: never\r\nRetry-After: Tue, 15 Nov 1994 08:12:01 GMT\r\n", 0},
        {"Retry-After: Tue, 15 Nov 1994 08:12:01 GMT\r\n", 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct gr_op *op = get_once(&(struct reply){.status = 503, .headers = rows[i].headers});
        assert_true(op->exchange->retry_after == rows[i].seconds);
        check_answer(op, 503, "");
    }
}

static void broken_answers(void **state)
{
    (void)state;
    check_error(get_once(&(struct reply){.body = "half", .cut = CUT_BODY}), GR_E_TRANSPORT,
                "connection_broken");
    check_error(get_once(&(struct reply){.raw = "garbage\r\n\r\n"}), GR_E_TRANSPORT,
                "invalid_response");
    check_error(get_once(&(struct reply){.raw = ""}), GR_E_TRANSPORT, "connection_broken");
    check_error(get_once(&(struct reply){.headers = "Content-Encoding: gzip\r\n", .body = "plain"}),
                GR_E_TRANSPORT, "invalid_response");
}

static void body_is_bounded(void **state)
{
    static char block[10000];
    struct gr_request request = request_to("GET", url_of("/"));
    (void)state;
    memset(block, 'x', sizeof block - 1);
    request.max_body = sizeof block - 1;
    server_reply_once(server, &(struct reply){.body = block});
    check_answer(finished(&request), 200, block);
    request.max_body = sizeof block - 2;
    server_reply_once(server, &(struct reply){.body = block});
    check_error(finished(&request), GR_E_TRANSPORT, "answer_too_large");
    server_reply_once(server, &(struct reply){.body = block, .endless = true});
    check_error(finished(&request), GR_E_TRANSPORT, "answer_too_large");
    request.max_body = 0;
    check_answer(finished(&request), 200, "");
    server_reply_once(server, &(struct reply){.body = "x"});
    check_error(finished(&request), GR_E_TRANSPORT, "answer_too_large");
}

/* Bits of a deflate stream; codes go in from their highest bit. */
struct bits {
    unsigned char *bytes;
    size_t count;
};

static void put_bits(struct bits *bits, unsigned code, unsigned length)
{
    while (length-- > 0) {
        if (code >> length & 1)
            bits->bytes[bits->count / 8] |= (unsigned char)(1 << bits->count % 8);
        bits->count++;
    }
}

/* 1 + 258 * repeats zeros in the format that HTTP calls deflate (RFC 1950, 1951): one literal and copies
 * of the last 258 bytes, each of 13 bits. Returns the length. */
static size_t make_bomb(unsigned char *packed, unsigned repeats)
{
    struct bits bits = {packed, 16};
    unsigned sum = (1 + 258 * repeats) % 65521;
    memcpy(packed, "\x78\x9c", 2);
    put_bits(&bits, 6, 3);    /* the last block, with the fixed codes */
    put_bits(&bits, 0x30, 8); /* literal 0 */
    for (unsigned i = 0; i < repeats; i++)
        put_bits(&bits, 0xc5 << 5, 13); /* length 258, distance 1 */
    put_bits(&bits, 0, 7);
    size_t len = (bits.count + 7) / 8;
    memcpy(packed + len, (unsigned char[]){(unsigned char)(sum >> 8), (unsigned char)sum, 0, 1}, 4);
    return len + 4;
}

static void packed_bodies_are_bounded_unpacked(void **state)
{
    enum { REPEATS = 40000 };
    static unsigned char packed[REPEATS * 13 / 8 + 16];
    struct reply reply = {.headers = "Content-Encoding: deflate\r\n", .body = (char *)packed};
    struct gr_request request = request_to("GET", url_of("/"));
    (void)state;
    reply.len = make_bomb(packed, REPEATS);
    server_reply_once(server, &reply);
    check_error(finished(&request), GR_E_TRANSPORT, "answer_too_large");
    request.max_body = 1 + 258 * REPEATS;
    server_reply_once(server, &reply);
    struct gr_op *op = finished(&request);
    assert_string_equal(op->error.code, "");
    assert_int_equal(op->exchange->answer.len, request.max_body);
    gr_op_release(op);
}

static void empty_answer_is_a_string(void **state)
{
    (void)state;
    check_answer(get_once(&(struct reply){.status = 204}), 204, "");
    check_answer(get_once(&(struct reply){.status = 404, .body = "no"}), 404, "no");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_sent),
        TEST(methods_and_bodies),
        TEST(refused_before_sending),
        TEST(gets_reuse_a_connection),
        TEST(posts_take_a_fresh_one),
        TEST(get_is_repeated_on_a_dead_connection),
        TEST(post_is_never_repeated),
        TEST(redirects_are_not_followed),
        TEST(nobody_listens),
        TEST(requests_run_side_by_side),
        TEST(headers_are_read),
        TEST(interim_answers_are_passed_over),
        TEST(folded_headers),
        TEST(headers_are_bounded),
        TEST(retry_after),
        TEST(broken_answers),
        TEST(body_is_bounded),
        TEST(packed_bodies_are_bounded_unpacked),
        TEST(empty_answer_is_a_string),
    };
    gr_source_init();
    box = gr_mailbox_new();
    int failed = cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
    gr_engine_shutdown(1);
    gr_mailbox_release(box);
    return failed;
}
