/* The token service's answer. Input: "STATUS RETRY_AFTER\n", then the body. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "answer.h"
#include "fuzz.h"

static const char secret_text[] = "S3cret.of-the_client~9fQ7";

/* A code is a name of OAuth's kind; the rest is ours, on one line. */
static void check_error(const struct gr_error *err, int status)
{
    char ending[24];
    size_t len = strlen(err->message), end;
    FUZZ_CHECK(err->kind == GR_E_TOKEN && err->status == status);
    FUZZ_CHECK(err->code[0] &&
               strspn(err->code, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(err->code));
    FUZZ_CHECK(err->retry_after == -1 || (err->retry_after >= 0 && isfinite(err->retry_after)));
    end = (size_t)snprintf(ending, sizeof ending, " (HTTP %d)", status);
    FUZZ_CHECK(len > end && strcmp(err->message + len - end, ending) == 0);
    for (size_t i = 0; i < len; i++)
        FUZZ_CHECK(isprint((unsigned char)err->message[i]));
}

/* No 8 bytes of the secret, in whatever spelling the answer has them: as they would be in a code. */
static void check_discretion(const struct gr_error *err)
{
    char secret[] = "S3cret_of_the_client~9fQ7", part[9] = "";
    for (size_t i = 0; i + 8 < sizeof secret; i++) {
        memcpy(part, secret + i, 8);
        FUZZ_CHECK(!strcasestr(err->message, part) && !strcasestr(err->code, part));
    }
}

static void check_token(const struct gr_answer *answer)
{
    const struct gr_secret *token = answer->token;
    FUZZ_CHECK(token->len > 0 && token->bytes[token->len] == '\0');
    for (size_t i = 0; i < token->len; i++)
        FUZZ_CHECK(token->bytes[i] >= 0x20 && token->bytes[i] <= 0x7e);
    FUZZ_CHECK(isfinite(answer->expires_in));
    FUZZ_CHECK(isnan(answer->refresh_in) ||
               (isfinite(answer->refresh_in) && answer->refresh_in > 0));
}

/* What the answer's times make of the plan. */
static void check_plan(const struct gr_answer *answer)
{
    const double sent = 1000, now = 1000.25;
    struct gr_schedule plan;
    enum gr_verdict verdict;
    gr_schedule_init(&plan);
    verdict =
        gr_schedule_token(&plan, now, sent, answer->expires_in, answer->refresh_in, false, 0.5);
    FUZZ_CHECK(verdict == GR_RENEWED || verdict == GR_EPHEMERAL);
    FUZZ_CHECK(!isnan(plan.next) && plan.next >= sent && !isnan(plan.not_before));
    if (verdict == GR_EPHEMERAL)
        return;
    FUZZ_CHECK(plan.lifetime > 0 && plan.lifetime <= GR_LIFETIME_MAX);
    FUZZ_CHECK(plan.usable_until > now && plan.usable_until <= sent + GR_LIFETIME_MAX);
    FUZZ_CHECK(plan.next < plan.usable_until);
}

static void check_answer(const struct gr_answer *answer, int status)
{
    if (answer->verdict == GR_RENEWED) {
        FUZZ_CHECK(answer->token && status >= 200 && status <= 299);
        check_token(answer);
        check_plan(answer);
        return;
    }
    FUZZ_CHECK(answer->verdict == GR_FAILED || answer->verdict == GR_REFUSED);
    FUZZ_CHECK(!answer->token);
    check_error(&answer->error, status);
    check_discretion(&answer->error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *body = memchr(data, '\n', size);
    char head[32] = "", *rest;
    struct gr_answer answer;
    struct gr_secret *secret = gr_secret_new(secret_text, strlen(secret_text));
    size_t head_len = body ? (size_t)(body - (const char *)data) : 0;
    if (!body || head_len >= sizeof head) {
        gr_secret_free(secret);
        return 0;
    }
    memcpy(head, data, head_len);
    int status = (int)(strtoul(head, &rest, 10) % 1000);
    double retry_after = *rest == ' ' ? fabs(strtod(rest, NULL)) : -1;
    gr_answer_read(&answer, status, body + 1, size - head_len - 1,
                   isfinite(retry_after) ? retry_after : -1, secret);
    check_answer(&answer, status);
    gr_answer_clear(&answer);
    gr_secret_free(secret);
    FUZZ_CHECK(gr_secret_count() == 0);
    return 0;
}
