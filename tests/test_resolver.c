/* A name server that does not answer: getaddrinfo is this file's own here, for libcurl, too. */
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "fixture.h"

#define STUCK_S 3

__attribute__((visibility("default"))) int getaddrinfo(const char *host, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **found)
{
    (void)host, (void)service, (void)hints;
    *found = NULL;
    pause_for(STUCK_S);
    return EAI_AGAIN;
}

static struct gr_handle *open_stuck(void)
{
    struct gr_options options = options_for("https://stuck.test/token");
    options.connect_timeout = 0.1;
    return open_with(&options);
}

static void holds_up_nobody_else(void **state)
{
    double began = gr_now();
    struct gr_handle *stuck = open_stuck();
    (void)state;
    assert_string_equal(result(ask_of(stuck)), "connect_timeout");
    assert_string_equal(token(), "token-1");
    assert_true(gr_now() - began < STUCK_S / 2.0);
    gr_source_close(stuck, true);
}

static void does_not_hold_up_the_shutdown(void **state)
{
    struct gr_handle *stuck = open_stuck();
    struct gr_op *op = ask_of(stuck);
    double began;
    (void)state;
    linger(0.05); /* until it is being looked up */
    began = gr_now();
    gr_engine_shutdown(0);
    assert_true(gr_now() - began < STUCK_S / 2.0);
    assert_string_equal(result(op), "shutdown");
    gr_source_close(stuck, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"holds up nobody else", holds_up_nobody_else, begin_threaded, end, NULL},
        {"does not hold up the shutdown", does_not_hold_up_the_shutdown, begin_threaded, end, NULL},
    };
    gr_source_init();
    if (curl_version_info(CURLVERSION_NOW)->version_num < 0x075700) {
        puts("1..0 # SKIP libcurl 7.87 is the first that does not wait for a name server");
        return 0;
    }
    return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
