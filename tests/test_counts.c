/* counts: why tokens are asked for, and what failures were; with and without the engine's thread. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "tally.h"

static void assert_reasons(uint64_t cold, uint64_t due, uint64_t rejected, uint64_t retry,
                           uint64_t refresh)
{
    struct gr_counts counts = info().counts;
    assert_int_equal(counts.reasons[GR_REASON_COLD], cold);
    assert_int_equal(counts.reasons[GR_REASON_DUE], due);
    assert_int_equal(counts.reasons[GR_REASON_REJECTED], rejected);
    assert_int_equal(counts.reasons[GR_REASON_RETRY], retry);
    assert_int_equal(counts.reasons[GR_REASON_REFRESH], refresh);
    assert_int_equal(counts.requests, cold + due + rejected + retry + refresh);
}

static void no_token_is_cold(void **state)
{
    (void)state;
    assert_reasons(0, 0, 0, 0, 0);
    assert_string_equal(token(), "token-1");
    assert_reasons(1, 0, 0, 0, 0);
}

static void a_renewal_is_due(void **state)
{
    (void)state;
    reply_with(200, TOKEN(1));
    assert_string_equal(token(), "token-1");
    EVENTUALLY(info().counts.renewals == 2);
    assert_reasons(1, 1, 0, 0, 0);
}

static void a_refused_token_is_rejected(void **state)
{
    (void)state;
    token();
    assert_true(invalidate("token-1"));
    assert_string_equal(token(), "token-2");
    assert_reasons(1, 0, 1, 0, 0);
    assert_string_equal(result(ask_anew()), "token-3");
    assert_reasons(1, 0, 1, 0, 1);
}

static void an_adopted_token_ends_a_rejection(void **state)
{
    (void)state;
    gr_source_renew(handle, GR_RENEWAL_NONE);
    assert_true(adopt("theirs", 3600, 10));
    assert_true(invalidate("theirs"));
    assert_true(adopt("newer", 0.5, 0));
    EVENTUALLY(strcmp(peek(), "") == 0);
    assert_string_equal(token(), "token-1");
    assert_reasons(1, 0, 0, 0, 0);
}

static void an_attempt_after_a_failure_is_a_retry(void **state)
{
    (void)state;
    reply_with(503, "");
    assert_string_equal(token(), "http_503");
    reply_with(200, TOKEN(3600));
    EVENTUALLY(info().counts.renewals == 1);
    assert_int_equal(info().counts.reasons[GR_REASON_COLD], 1);
    assert_true(info().counts.reasons[GR_REASON_RETRY] >= 1);
}

static uint64_t failures(const char *code)
{
    struct gr_info i = info();
    for (size_t at = 0; at < i.code_count; at++)
        if (strcmp(i.codes[at].code, code) == 0)
            return i.codes[at].count;
    return 0;
}

static void failures_have_codes(void **state)
{
    (void)state;
    assert_int_equal(info().code_count, 0);
    reply_with(503, "");
    assert_string_equal(token(), "http_503");
    EVENTUALLY(failures("http_503") >= 1);
    reply_with(400, "{\"error\":\"invalid_client\"}");
    EVENTUALLY(info().state == GR_STATE_REFUSED);
    assert_int_equal(failures("invalid_client"), 1);
    assert_int_equal(info().counts.failures, failures("http_503") + failures("invalid_client"));
    assert_int_equal(info().code_count, 2);
}

static void the_age_is_that_of_the_usable_token(void **state)
{
    (void)state;
    assert_true(isnan(info().age));
    assert_true(adopt("theirs", 3600, 100));
    assert_true(info().age >= 100 && info().age < 100 + LONG);
    assert_true(invalidate("theirs"));
    assert_true(isnan(info().age));
}

static void codes_are_bounded(void **state)
{
    struct gr_tally tally = {0};
    char code[60];
    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(code, sizeof code, "code_%d", i % 100);
        gr_tally_add(&tally, code);
    }
    assert_int_equal(tally.count, GR_TALLY_MAX);
    assert_string_equal(tally.entries[0].code, "code_0");
    assert_int_equal(tally.entries[0].count, 10);
    assert_string_equal(tally.entries[GR_TALLY_MAX - 1].code, "other");
    assert_int_equal(tally.entries[GR_TALLY_MAX - 1].count, 1000 - 10 * (GR_TALLY_MAX - 1));
    gr_tally_clear(&tally);
    assert_int_equal(tally.count, 0);
    gr_tally_add(&tally, "again");
    assert_int_equal(tally.entries[0].count, 1);
    gr_tally_clear(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(no_token_is_cold),
        BOTH(a_renewal_is_due),
        BOTH(a_refused_token_is_rejected),
        BOTH(an_adopted_token_ends_a_rejection),
        BOTH(an_attempt_after_a_failure_is_a_retry),
        BOTH(failures_have_codes),
        BOTH(the_age_is_that_of_the_usable_token),
        cmocka_unit_test(codes_are_bounded),
    };
    gr_source_init();
    return cmocka_run_group_tests_name("counts", tests, NULL, NULL);
}
