/* network: whatever happens to any byte of an exchange, its caller gets one outcome in time, none is taken for
 * what it is not where HTTP can tell, and the next exchange is none the worse for it. */
#include <dirent.h>
#include <malloc.h>
#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "policy.h"
#include "proxy.h"

/* ---- what is exchanged ---- */

#define SECRET "sEcrEt-4711"
#define FIRST  "fIrst-tokEn_0123456789.ABCDEF"
#define SECOND "sEcond-tokEn_0123456789.ABCDEF"

static const char *const constant[] = {"Host: api.test", "Authorization: Bearer " FIRST};

/* Answers: before, and after, something has happened to an exchange. */
struct answers {
    struct reply first, second;
    size_t spare; /* bytes at the end of it that can be missed and are not */
};

#define TOKEN_ANSWER(token) \
    "{\"token_type\":\"bearer\",\"access_token\":\"" token "\",\"expires_in\":3600}"

static const struct answers of_tokens = {
    {.body = TOKEN_ANSWER(FIRST), .headers = "Content-Type: application/json\r\n"},
    {.body = TOKEN_ANSWER(SECOND), .headers = "Content-Type: application/json\r\n"},
    .spare = 0,
};

static const struct answers with_length = {
    {.body = "the first answer", .headers = "Content-Type: text/plain\r\nX-More: 1\r\n"},
    {.body = "the second answer", .headers = "Content-Type: text/plain\r\nX-More: 2\r\n"},
    .spare = 0,
};

#define CHUNKS(word)                                                               \
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nthe \r\n6\r\n" word \
    "\r\n7\r\n answer\r\n0\r\n\r\n"

#define AFTER_A_HINT(length, body)                                                             \
    "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: " length \
    "\r\n\r\n" body

static const struct answers after_a_hint = {
    {.raw = AFTER_A_HINT("16", "the first answer")},
    {.raw = AFTER_A_HINT("17", "the second answer")},
    .spare = 0,
};

static const struct answers in_chunks = {
    {.raw = CHUNKS("first ")},
    {.raw = CHUNKS("second")},
    .spare = 1,
};

/* ---- one trial: an exchange to which something happens, and one to which nothing does ---- */

enum { TRIALS = 32 }; /* as many token requests as the engine sends at once */

/* Of an exchange that may get no answer. The others have LONG. */
#define SHORT (SANITIZED ? 0.25 : 0.06)

enum way {
    GET,
    GET_AGAIN, /* on a connection that has been used before: libcurl may try another */
    POST,
    TOKENS
};

struct trial {
    struct fault fault;
    double timeout;
    struct tap *tap;
    struct gr_handle *handle; /* of a token's */
    struct gr_op *op;
    bool done;
};

static struct proxy *proxy;
static bool threaded;   /* the engine has a thread of its own */
static unsigned number; /* of the source: each trial of a token has its own */

static struct gr_handle *open_source(const char *url, double timeout)
{
    char id[24];
    struct gr_pair headers[] = {{"Host", "token.test"}};
    struct gr_options options = options_for(url);
    snprintf(id, sizeof id, "client-%08u", ++number);
    options.client_id = id;
    options.client_secret = SECRET;
    options.secret_len = strlen(SECRET);
    options.headers = headers;
    options.header_count = 1;
    options.timeout = timeout;
    options.renew = false;
    return open_with(&options);
}

static struct gr_op *ask(struct trial *trial, enum way way, double timeout)
{
    struct gr_request request = request_to(way == POST ? "POST" : "GET", proxy_url(trial->tap));
    struct gr_op *op;
    request.headers = constant;
    request.header_count = COUNT(constant);
    request.timeout = timeout;
    if (way == POST) {
        request.body = "{\"name\":\"value\"}";
        request.body_len = strlen(request.body);
    }
    op = way == TOKENS ? gr_source_acquire(trial->handle, box, LONG, true)
                       : gr_op_request(box, &request);
    assert_non_null(op);
    return op;
}

static void start(struct trial *trial, enum way way, double timeout)
{
    trial->op = ask(trial, way, timeout);
    trial->done = false;
    gr_op_watch(trial->op);
}

static double time_for(const struct fault *fault)
{
    bool harmless = fault->kind == FAULT_NONE || fault->kind == FAULT_DELAY;
    return harmless ? LONG : SHORT;
}

static void use_connection(struct trial *trial)
{
    struct gr_op *op = ask(trial, GET, LONG);
    assert_string_equal(outcome(op), "");
}

static void begin_trial(struct trial *trial, enum way way)
{
    trial->tap = proxy_open(proxy);
    if (way == GET_AGAIN)
        use_connection(trial);
    proxy_tell(trial->tap, &trial->fault);
    trial->handle = way == TOKENS ? open_source(proxy_url(trial->tap), trial->timeout) : NULL;
    start(trial, way, trial->timeout);
}

static void end_trial(struct trial *trial)
{
    if (trial->handle)
        gr_source_close(trial->handle, true);
    proxy_close(trial->tap);
}

/* ---- outcomes ---- */

static void note(struct trial *trials, size_t count, struct gr_op *op)
{
    for (size_t i = 0; i < count; i++) {
        if (trials[i].op != op)
            continue;
        assert_false(trials[i].done); /* one outcome each */
        trials[i].done = true;
        gr_op_release(op); /* the mailbox's */
        return;
    }
    fail_msg("an outcome that nobody waits for");
}

static bool all_done(const struct trial *trials, size_t count)
{
    while (count > 0 && trials[count - 1].done)
        count--;
    return count == 0;
}

static void wait_for_mail(void)
{
    struct pollfd polled = {.fd = gr_mailbox_fd(box), .events = POLLIN};
    gr_engine_pump();
    poll(&polled, 1, 20);
}

/* As a host with a loop of its own does. */
static void gather(struct trial *trials, size_t count)
{
    struct gr_op *op;
    struct gr_event event;
    double until = gr_now() + 3 * LONG;
    while (!all_done(trials, count)) {
        enum gr_mail mail = gr_mailbox_next(box, &op, &event);
        if (mail == GR_MAIL_OP)
            note(trials, count, op);
        else
            wait_for_mail();
        assert_true(gr_now() < until);
    }
    assert_int_equal(gr_mailbox_next(box, &op, &event), GR_MAIL_NONE);
}

static const char *described(const struct fault *fault)
{
    static const char *const names[] = {"nothing", "end",     "reset",     "silence",
                                        "delay",   "swap of", "repeat of", "flip of"};
    static char text[80];
    snprintf(text, sizeof text, "%s %zu %02x at byte %zu to the %s", names[fault->kind],
             fault->length, (unsigned)fault->mask, fault->offset,
             fault->direction == TO_SERVER ? "server" : "client");
    return text;
}

/* Where it fails it says which trial it was, and nothing of what was exchanged. */
#define CHECK(condition)                                                  \
    do {                                                                  \
        if (!(condition))                                                 \
            fail_msg("%s: not %s", described(&trial->fault), #condition); \
    } while (0)

static bool holds_secret(const char *text)
{
    return strstr(text, "sEcrEt") || strstr(text, "tokEn") || strstr(text, "fIrst");
}

static void check_error(const struct trial *trial)
{
    const struct gr_error *error = &trial->op->error;
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_0123456789";
    CHECK(error->kind == GR_E_TOKEN || error->kind == GR_E_TRANSPORT ||
          error->kind == GR_E_TIMEOUT);
    CHECK(trial->handle || error->kind != GR_E_TOKEN);
    CHECK(error->code[0] && strspn(error->code, letters) == strlen(error->code));
    CHECK(error->message[0] && !strpbrk(error->message, "\r\n"));
    CHECK(!holds_secret(error->code) && !holds_secret(error->message));
    CHECK(!trial->op->token);
}

static bool is_printable(const struct gr_secret *token)
{
    for (size_t i = 0; i < token->len; i++)
        if (token->bytes[i] < ' ' || token->bytes[i] > '~')
            return false;
    return token->len > 0;
}

static void check_token(const struct trial *trial, const char *expected)
{
    struct gr_info i;
    CHECK(trial->op->token);
    CHECK(is_printable(trial->op->token));
    CHECK(!expected || strcmp(trial->op->token->bytes, expected) == 0);
    gr_source_info(trial->handle, &i);
    CHECK(isnan(i.expires_in) || i.expires_in <= 30 * 86400.0);
}

static bool has_field(const struct gr_exchange *exchange, const char *name, char *text, size_t size)
{
    size_t len;
    const char *value = gr_exchange_field(exchange, name, &len);
    if (!value || len >= size)
        return false;
    memcpy(text, value, len);
    text[len] = '\0';
    return true;
}

/* A body of which the head said how long it is has that length. */
static bool fits_its_head(const struct gr_exchange *exchange)
{
    char text[32];
    bool empty = exchange->status == 204 || exchange->status == 304;
    if (empty || !has_field(exchange, "content-length", text, sizeof text))
        return true;
    return strtoul(text, NULL, 10) == exchange->answer.len;
}

static const char *body_of(const struct reply *reply)
{
    if (!reply->raw)
        return reply->body;
    if (reply == &in_chunks.first)
        return "the first  answer";
    return strstr(reply->raw, "first") ? "the first answer" : "the second answer";
}

static void check_answer(const struct trial *trial, const struct reply *expected)
{
    const struct gr_exchange *exchange = trial->op->exchange;
    CHECK(exchange->status >= 100 && exchange->status <= 999);
    CHECK(fits_its_head(exchange));
    CHECK(exchange->answer.len < 1000 && exchange->fields.len < 1000);
    if (!expected)
        return;
    CHECK(exchange->status == 200);
    CHECK(exchange->answer.len == strlen(body_of(expected)));
    CHECK(memcmp(exchange->answer.data, body_of(expected), exchange->answer.len) == 0);
}

/* expected: the answer has to be that one; NULL: whatever HTTP cannot tell from an answer will do. */
static void check_success(const struct trial *trial, const struct reply *expected)
{
    if (!trial->handle)
        check_answer(trial, expected);
    else
        check_token(trial, !expected ? NULL : expected == &of_tokens.first ? FIRST : SECOND);
}

/* What is lost is an error; what is late is right; of what is changed HTTP can tell a part. Only a
 * request that has been changed gets an answer that has not. */
static void check_outcome(const struct trial *trial, enum way way, const struct reply *expected)
{
    const struct fault *fault = &trial->fault;
    bool won = trial->op->error.kind == GR_OK;
    bool lost =
        fault->kind == FAULT_END || fault->kind == FAULT_RESET || fault->kind == FAULT_SILENT;
    bool late = trial->op->error.kind == GR_E_TIMEOUT;
    CHECK(late || proxy_struck(trial->tap) || fault->length > 0 || fault->kind == FAULT_NONE);
    if (!won || (lost && way != GET_AGAIN)) {
        CHECK(!won);
        CHECK(fault->kind != FAULT_DELAY && fault->kind != FAULT_NONE);
        check_error(trial);
        return;
    }
    bool altered = fault->kind > FAULT_DELAY && fault->direction == TO_CLIENT;
    check_success(trial, altered ? NULL : expected);
}

static void check_clean(const struct trial *trial, const struct reply *expected)
{
    CHECK(trial->op->error.kind == GR_OK);
    check_success(trial, expected);
}

/* libcurl before 8.0 does not see that on a connection there is more than the last answer was to have, and
 * takes that for the beginning of the next one. It is none: an error, and the connection is closed. */
static bool may_meet_leftovers(const struct trial *trial, enum way way)
{
    bool reuses = way == GET || way == GET_AGAIN;
    return reuses && trial->fault.kind > FAULT_DELAY && trial->fault.direction == TO_CLIENT;
}

/* ---- batches: side by side, because some end by their deadline only ---- */

/* No failure spaces the next request by more. */
#define UNTIL_FORGOTTEN (GR_RETRY_AFTER_MAX + 1)

static void forget_failures(void)
{
    sleep_through(UNTIL_FORGOTTEN);
}

static void start_again(struct trial *trial, enum way way)
{
    gr_op_release(trial->op);
    if (way == TOKENS)
        forget_failures();
    start(trial, way, LONG);
    gather(trial, 1);
}

/* A source's requests have SHORT, which may be too short for a clean one on a slow machine. */
static void see_to_clean(struct trial *trial, enum way way)
{
    const struct gr_error *error = &trial->op->error;
    if (error->kind == GR_E_TRANSPORT && may_meet_leftovers(trial, way)) {
        check_error(trial);
        start_again(trial, way);
        error = &trial->op->error;
    }
    for (double left = LONG; way == TOKENS && error->kind == GR_E_TIMEOUT && left > 0;) {
        double began = gr_now();
        start_again(trial, way);
        left -= gr_now() - began - UNTIL_FORGOTTEN;
        error = &trial->op->error;
    }
}

static void run_batch(struct trial *trials, size_t count, enum way way,
                      const struct answers *answers)
{
    server_reply(server, &answers->first);
    for (size_t i = 0; i < count; i++)
        begin_trial(&trials[i], way);
    gather(trials, count);
    for (size_t i = 0; i < count; i++) {
        check_outcome(&trials[i], way, &answers->first);
        gr_op_release(trials[i].op);
        proxy_tell(trials[i].tap, &(struct fault){.kind = FAULT_NONE});
    }
    if (way == TOKENS)
        forget_failures();
    server_reply(server, &answers->second);
    for (size_t i = 0; i < count; i++)
        start(&trials[i], way, LONG);
    gather(trials, count);
    for (size_t i = 0; i < count; i++) {
        see_to_clean(&trials[i], way);
        check_clean(&trials[i], &answers->second);
        gr_op_release(trials[i].op);
        end_trial(&trials[i]);
    }
}

/* How long the request, and the answer, are. */
static void measure(enum way way, const struct answers *answers, size_t length[2])
{
    struct trial trial = {.fault = {.kind = FAULT_NONE}, .timeout = LONG};
    server_reply(server, &answers->first);
    begin_trial(&trial, way);
    gather(&trial, 1);
    check_outcome(&trial, way, &answers->first);
    length[TO_SERVER] = proxy_count(trial.tap, TO_SERVER);
    length[TO_CLIENT] = proxy_count(trial.tap, TO_CLIENT);
    gr_op_release(trial.op);
    end_trial(&trial);
}

static const struct fault faults[] = {
    {.kind = FAULT_END},
    {.kind = FAULT_RESET},
    {.kind = FAULT_SILENT},
    {.kind = FAULT_DELAY, .seconds = 0.003},
    {.kind = FAULT_SWAP, .length = 1},
    {.kind = FAULT_SWAP, .length = 8},
    {.kind = FAULT_REPEAT, .length = 1},
    {.kind = FAULT_REPEAT, .length = 8},
    {.kind = FAULT_FLIP, .mask = 0x01},
    {.kind = FAULT_FLIP, .mask = 0x20},
    {.kind = FAULT_FLIP, .mask = 0x80},
};

static void try_all(enum way way, const struct answers *answers, enum direction direction,
                    size_t stride)
{
    struct trial trials[TRIALS];
    size_t length[2], count = 0;
    measure(way, answers, length);
    size_t end = length[direction] - (direction == TO_CLIENT ? answers->spare : 0);
    for (size_t i = 0; i < COUNT(faults); i++) {
        for (size_t offset = i % stride; offset < end; offset += stride) {
            trials[count] = (struct trial){.fault = faults[i], .timeout = time_for(&faults[i])};
            trials[count].fault.direction = direction;
            trials[count].fault.offset = offset;
            if (++count == TRIALS) {
                run_batch(trials, count, way, answers);
                count = 0;
            }
        }
    }
    if (count)
        run_batch(trials, count, way, answers);
}

/* ---- the proxy itself ---- */

/* What becomes of a body of 16 bytes, at the fifth of which something happens. */
static const struct {
    struct fault fault;
    const char *body, *message; /* one of the two */
} made_of_it[] = {
    {{.kind = FAULT_NONE}, "the first answer", NULL},
    {{.kind = FAULT_DELAY, .seconds = 0.05}, "the first answer", NULL},
    {{.kind = FAULT_SWAP, .length = 1}, "the ifrst answer", NULL},
    {{.kind = FAULT_SWAP, .length = 3}, "the st firanswer", NULL},
    {{.kind = FAULT_REPEAT, .length = 1}, "the ffirst answe", NULL},
    {{.kind = FAULT_REPEAT, .length = 6}, "the first first ", NULL},
    {{.kind = FAULT_FLIP, .mask = 0x20}, "the First answer", NULL},
    {{.kind = FAULT_END}, NULL, "Transferred a partial file"},
    {{.kind = FAULT_RESET}, NULL, "Failure when receiving data from the peer"},
    {{.kind = FAULT_SILENT}, NULL, "no answer within"},
};

static void one_trial(struct trial *trial, enum way way, const struct fault *fault)
{
    *trial = (struct trial){.fault = *fault, .timeout = LONG};
    if (fault->kind == FAULT_SILENT)
        trial->timeout = SHORT;
    begin_trial(trial, way);
    gather(trial, 1);
}

static void drop_trial(struct trial *trial)
{
    gr_op_release(trial->op);
    end_trial(trial);
}

static void check_made(struct fault fault, const char *body, const char *message)
{
    struct trial trial;
    double began = gr_now();
    one_trial(&trial, GET, &fault);
    const struct gr_exchange *exchange = trial.op->exchange;
    assert_true(gr_now() - began >= fault.seconds);
    assert_int_equal(proxy_struck(trial.tap), fault.kind != FAULT_NONE);
    if (body)
        assert_memory_equal(exchange->answer.data, body, 16);
    else
        assert_non_null(strstr(trial.op->error.message, message));
    drop_trial(&trial);
}

static void check_request(struct fault fault, const char *line)
{
    struct trial trial;
    one_trial(&trial, GET, &fault);
    assert_memory_equal(server_last(server), line, strlen(line));
    drop_trial(&trial);
}

static void proxy_does_as_told(void **state)
{
    size_t length[2];
    (void)state;
    measure(GET, &with_length, length);
    for (size_t i = 0; i < COUNT(made_of_it); i++) {
        struct fault fault = made_of_it[i].fault;
        fault.direction = TO_CLIENT;
        fault.offset = length[TO_CLIENT] - 12;
        check_made(fault, made_of_it[i].body, made_of_it[i].message);
    }
    check_request((struct fault){.kind = FAULT_FLIP, .mask = 0x20}, "gET / HTTP/1.1\r\n");
    check_request((struct fault){.kind = FAULT_SWAP, .length = 3}, " / GETHTTP/1.1\r\n");
    check_request((struct fault){.kind = FAULT_REPEAT, .length = 2}, "GEGET / HTTP/1.1\r\n");
}

/* ---- what is left behind ---- */

enum { HEAP_SLACK = 16 * 1024 };

static size_t heap_bytes(void)
{
    return SANITIZED ? 0 : mallinfo2().uordblks;
}

static size_t open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* What is held while nothing is going on and no connection is kept. */
struct holdings {
    size_t heap, descriptors;
};

static struct holdings holdings(void)
{
    return (struct holdings){heap_bytes(), open_descriptors()};
}

static bool exceeds(struct holdings a, struct holdings b)
{
    return a.heap > b.heap + HEAP_SLACK || a.descriptors > b.descriptors;
}

/* The server's threads take a moment to go. */
static void check_settles(struct holdings before)
{
    double until = gr_now() + LONG;
    gr_engine_shutdown(LONG);
    while (exceeds(holdings(), before) && gr_now() < until)
        pause_for(0.001);
    assert_in_range(holdings().heap, 0, before.heap + HEAP_SLACK);
    assert_in_range(holdings().descriptors, 0, before.descriptors);
}

/* The second time around nothing is new any more, so whatever grows then would grow for ever. */
static void check_left(enum way way, const struct answers *answers)
{
    try_all(way, answers, TO_CLIENT, 40);
    gr_engine_shutdown(LONG);
    pause_for(0.05);
    struct holdings before = holdings();
    try_all(way, answers, TO_CLIENT, 40);
    check_settles(before);
}

/* ---- the tests ---- */

/* Without the engine's thread, and under a sanitizer, at some bytes only. */
static size_t every(size_t stride)
{
    bool all = threaded && !SANITIZED;
    return all ? stride : stride * 13;
}

static void token_requests(void **state)
{
    (void)state;
    try_all(TOKENS, &of_tokens, TO_SERVER, every(1));
}

static void token_answers(void **state)
{
    (void)state;
    try_all(TOKENS, &of_tokens, TO_CLIENT, every(1));
}

static void api_requests(void **state)
{
    (void)state;
    try_all(GET, &with_length, TO_SERVER, every(1));
    try_all(POST, &with_length, TO_SERVER, every(3));
}

static void api_answers(void **state)
{
    (void)state;
    try_all(GET, &with_length, TO_CLIENT, every(1));
    try_all(POST, &with_length, TO_CLIENT, every(3));
    try_all(GET, &in_chunks, TO_CLIENT, every(1));
    try_all(GET, &after_a_hint, TO_CLIENT, every(2));
}

static void used_connections(void **state)
{
    (void)state;
    try_all(GET_AGAIN, &with_length, TO_SERVER, every(2));
    try_all(GET_AGAIN, &with_length, TO_CLIENT, every(1));
}

static void nothing_stays_behind(void **state)
{
    (void)state;
    check_left(TOKENS, &of_tokens);
    check_left(GET_AGAIN, &with_length);
    check_left(POST, &with_length);
}

static int begin_network(void **state)
{
    int failed = begin_threaded(state);
    threaded = true;
    proxy = proxy_new(server_port(server));
    return failed;
}

static int begin_network_threadless(void **state)
{
    int failed = begin_threadless(state);
    threaded = false;
    proxy = proxy_new(server_port(server));
    return failed;
}

static int end_network(void **state)
{
    proxy_free(proxy);
    return end(state);
}

#define TEST(name)                                                              \
    {#name, name, begin_network, end_network, NULL},                            \
    {                                                                           \
#name " (no thread)", name, begin_network_threadless, end_network, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(proxy_does_as_told),   TEST(token_requests), TEST(token_answers),
        TEST(api_requests),         TEST(api_answers),    TEST(used_connections),
        TEST(nothing_stays_behind),
    };
    gr_source_init();
    return cmocka_run_group_tests_name("network", tests, NULL, NULL);
}
