/* secret: contents, zeroing, sharing of pages, comparison, threads, fork. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sanitized.h"
#include "secret.h"

static bool all_zero(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i])
            return false;
    }
    return true;
}

static void copies_and_terminates(void **state)
{
    static const char bytes[] = "one\0two";
    struct gr_secret *secret = gr_secret_new(bytes, sizeof bytes - 1);

    (void)state;
    assert_non_null(secret);
    assert_int_equal(secret->len, sizeof bytes - 1);
    assert_true(memcmp(secret->bytes, bytes, sizeof bytes) == 0);
    gr_secret_free(secret);
    gr_secret_free(NULL);
}

/* Around every class and the border to blocks with pages of their own: neighbours stay whole. */
static void every_length_holds_its_bytes(void **state)
{
    enum { MOST = 9000 };
    static struct gr_secret *secrets[MOST + 1];

    (void)state;
    for (size_t len = 0; len <= MOST; len++) {
        secrets[len] = gr_secret_new(NULL, len);
        assert_non_null(secrets[len]);
        assert_true(all_zero(secrets[len]->bytes, len + 1));
        memset(secrets[len]->bytes, (int)(len % 255) + 1, secrets[len]->len);
    }
    for (size_t len = 0; len <= MOST; len++) {
        const struct gr_secret *secret = secrets[len];
        assert_int_equal(secret->len, len);
        assert_int_equal((uintptr_t)secret % sizeof(size_t), 0);
        for (size_t i = 0; i < len; i++)
            assert_true((unsigned char)secret->bytes[i] == len % 255 + 1);
        assert_true(secret->bytes[len] == 0);
    }
    for (size_t len = 0; len <= MOST; len++)
        gr_secret_free(secrets[len]);
    assert_int_equal(gr_secret_count(), 0);
}

static void used_block_comes_back_zeroed(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        struct gr_secret *secret = gr_secret_new(NULL, 100);
        assert_true(all_zero(secret->bytes, 101));
        memset(secret->bytes, 'x', 100);
        gr_secret_free(secret);
    }
}

static void free_zeroes(void **state)
{
    (void)state;
#if SANITIZED
    skip(); /* a sanitizer stops, rightly, a look at freed bytes */
#else
    struct gr_secret *secret = gr_secret_new("0123456789abcdefghijklmnopqrstuvwxyz", 36);
    const char *volatile bytes = secret->bytes;
    gr_secret_free(secret);
    assert_true(all_zero(bytes, 36));
#endif
}

#if !SANITIZED
/* Fills a part of the stack that is nobody's after it returns. */
__attribute__((noinline)) static uintptr_t dirty_stack(void)
{
    volatile char area[4096];
    uintptr_t address = (uintptr_t)area;

    for (size_t i = 0; i < sizeof area; i++)
        area[i] = 'x';
    return address;
}
#endif

static void stack_below_is_zeroed(void **state)
{
    (void)state;
#if SANITIZED
    skip(); /* a sanitizer has stacks of its own, and stops a look at them */
#else
    const char *volatile bytes = (const char *)dirty_stack();
    gr_zero_stack();
    assert_true(all_zero(bytes, 2048)); /* what is above may be used by the calls here */
#endif
}

static void length_is_bounded(void **state)
{
    struct gr_secret *secret = gr_secret_new(NULL, (size_t)16 << 20);

    (void)state;
    assert_non_null(secret);
    secret->bytes[secret->len - 1] = 'x';
    gr_secret_free(secret);
    assert_null(gr_secret_new(NULL, ((size_t)16 << 20) + 1));
    assert_null(gr_secret_new("x", SIZE_MAX));
    assert_int_equal(gr_secret_count(), 0);
}

static void equal_compares_all_bytes(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"", "", true},         {"a", "a", true},        {"a", "b", false},
        {"a", "", false},       {"abc", "abd", false},   {"abc", "xbc", false},
        {"abc", "abcd", false}, {"\x80", "\x00", false}, {NULL, NULL, true},
        {NULL, "", false},      {"", NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct gr_secret *a = rows[i].a ? gr_secret_new(rows[i].a, strlen(rows[i].a)) : NULL;
        struct gr_secret *b = rows[i].b ? gr_secret_new(rows[i].b, strlen(rows[i].b)) : NULL;
        assert_int_equal(gr_secret_equal(a, b), rows[i].equal);
        gr_secret_free(a);
        gr_secret_free(b);
    }
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE) / 1024;
}

/* A secret of 40 bytes and a token of 100 each: 64 and 112 bytes with headers. */
static void hundred_thousand_sources_are_cheap(void **state)
{
    enum { SOURCES = 100000 };
    struct gr_secret **secrets = calloc(2 * SOURCES, sizeof *secrets);
    long before, used;

    (void)state;
    assert_non_null(secrets);
    memset(secrets, 0xff, 2 * SOURCES * sizeof *secrets);
    before = resident_kib();
    for (size_t i = 0; i < 2 * SOURCES; i++) {
        secrets[i] = gr_secret_new(NULL, i % 2 ? 40 : 100);
        assert_non_null(secrets[i]);
    }
    used = resident_kib() - before;
    print_message("100,000 sources: %ld KiB\n", used);
#if !SANITIZED /* which has memory of its own for each byte */
    assert_true(used < 18 * 1024);
#endif
    for (size_t i = 0; i < 2 * SOURCES; i++)
        gr_secret_free(secrets[i]);
    free(secrets);
    assert_int_equal(gr_secret_count(), 0);
}

/* The kernel's own word that the pages stay out of a core dump ("dd"). */
/* Whether the pages of a secret have a flag of proc(5)'s VmFlags; skips where the system does not tell. */
static void assert_pages_have(const char *flag)
{
    struct gr_secret *secret = gr_secret_new(NULL, 100);
    char line[512];
    bool inside = false, found = false;
    FILE *file = fopen("/proc/self/smaps", "r");

    if (!file) {
        gr_secret_free(secret);
        skip();
    }
    while (fgets(line, sizeof line, file)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = (uintptr_t)secret >= from && (uintptr_t)secret < to;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, flag) != NULL;
    }
    fclose(file);
    gr_secret_free(secret);
    assert_true(found);
}

static void pages_are_left_out_of_dumps(void **state)
{
    (void)state;
    assert_pages_have(" dd");
}

static void pages_are_locked_where_allowed(void **state)
{
    struct rlimit limit;

    (void)state;
    /* a sanitizer makes mlock do nothing */
    if (SANITIZED || getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur < 1024 * 1024)
        skip();
    assert_pages_have(" lo");
}

static void *churn(void *seed)
{
    unsigned r = *(unsigned *)seed;
    struct gr_secret *held[64] = {0};
    bool whole = true;

    for (int i = 0; i < 20000; i++) {
        size_t at = (r = r * 1103515245u + 12345u) >> 16 & 63;
        if (held[at]) {
            size_t len = held[at]->len;
            whole = whole && held[at]->bytes[0] == (char)at && held[at]->bytes[len - 1] == (char)at;
            gr_secret_free(held[at]);
            held[at] = NULL;
        } else {
            size_t len = 1 + (r >> 8) % 3000;
            held[at] = gr_secret_new(NULL, len);
            memset(held[at]->bytes, (int)at, len);
        }
    }
    for (size_t at = 0; at < 64; at++)
        gr_secret_free(held[at]);
    return whole ? NULL : seed;
}

static void threads_share_the_arena(void **state)
{
    pthread_t threads[4];
    unsigned seeds[4] = {1, 2, 3, 4};
    void *broken;

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, &seeds[i]), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &broken), 0);
        assert_null(broken);
    }
    assert_int_equal(gr_secret_count(), 0);
}

static void child_of_a_fork_goes_on(void **state)
{
    struct gr_secret *kept = gr_secret_new("kept", 4);
    int status = 0;
    pid_t pid;

    (void)state;
    gr_secret_before_fork();
    pid = fork();
    gr_secret_after_fork(pid == 0);
    if (pid == 0) {
        struct gr_secret *more = gr_secret_new("more", 4);
        bool good = more && memcmp(kept->bytes, "kept", 4) == 0;
        gr_secret_free(more);
        gr_secret_free(kept);
        _exit(good ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(memcmp(kept->bytes, "kept", 4) == 0);
    gr_secret_free(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* first: later ones use up what an ordinary user may lock */
        cmocka_unit_test(pages_are_locked_where_allowed),
        cmocka_unit_test(copies_and_terminates),
        cmocka_unit_test(every_length_holds_its_bytes),
        cmocka_unit_test(used_block_comes_back_zeroed),
        cmocka_unit_test(free_zeroes),
        cmocka_unit_test(stack_below_is_zeroed),
        cmocka_unit_test(length_is_bounded),
        cmocka_unit_test(equal_compares_all_bytes),
        cmocka_unit_test(hundred_thousand_sources_are_cheap),
        cmocka_unit_test(pages_are_left_out_of_dumps),
        cmocka_unit_test(threads_share_the_arena),
        cmocka_unit_test(child_of_a_fork_goes_on),
    };

    return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
