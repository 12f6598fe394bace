/* hot: a word never says "usable" for a token that is not. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hot.h"
#include "tools.h"

static void words_start_retired(void **state)
{
    struct gr_hot *words[1000];
    (void)state;
    for (size_t i = 0; i < COUNT(words); i++) {
        words[i] = gr_hot_new();
        assert_non_null(words[i]);
        assert_int_equal(gr_hot_read(words[i]), 0);
        gr_hot_write(words[i], gr_hot_generation());
        for (size_t k = 0; k < i; k += 97)
            assert_ptr_not_equal(words[i], words[k]);
    }
    for (size_t i = 0; i < COUNT(words); i++)
        gr_hot_free(words[i]);
    for (size_t i = 0; i < COUNT(words); i++) {
        words[i] = gr_hot_new();
        assert_int_equal(gr_hot_read(words[i]), 0);
    }
    for (size_t i = 0; i < COUNT(words); i++)
        gr_hot_free(words[i]);
}

/* A handle may outlive its source, and another source may have got the word. */
static void stale_handle_never_matches(void **state)
{
    struct gr_hot *stale = gr_hot_new();
    uint64_t held = gr_hot_generation();
    (void)state;
    gr_hot_write(stale, held);
    assert_int_equal(gr_hot_read(stale), held);
    gr_hot_free(stale);
    assert_int_not_equal(gr_hot_read(stale), held);
    for (int i = 0; i < 1000; i++) {
        struct gr_hot *other = gr_hot_new();
        assert_ptr_equal(other, stale);
        assert_int_not_equal(gr_hot_read(stale), held);
        gr_hot_write(other, gr_hot_generation());
        assert_int_not_equal(gr_hot_read(stale), held);
        gr_hot_free(other);
        assert_int_not_equal(gr_hot_read(stale), held);
    }
}

static uint64_t newest; /* the generation that readers wait for */

static void *spin_until_renewed(void *arg)
{
    const struct gr_hot *hot = arg;
    uint64_t last = gr_hot_read(hot), seen;
    while ((seen = gr_hot_read(hot)) != newest) {
        if (seen < last)
            return NULL; /* it went back */
        last = seen;
    }
    return arg;
}

static void readers_see_renewals(void **state)
{
    struct gr_hot *hot = gr_hot_new();
    pthread_t readers[3];
    void *result;
    uint64_t first = gr_hot_generation();
    (void)state;
    gr_hot_write(hot, first);
    newest = first + 1000;
    for (size_t i = 0; i < COUNT(readers); i++)
        assert_int_equal(pthread_create(&readers[i], NULL, spin_until_renewed, hot), 0);
    pause_for(0.01); /* they read the first one */
    for (int i = 0; i < 1000; i++)
        gr_hot_write(hot, gr_hot_generation());
    for (size_t i = 0; i < COUNT(readers); i++) {
        pthread_join(readers[i], &result);
        assert_ptr_equal(result, hot);
    }
    assert_int_equal(gr_hot_read(hot), newest);
    gr_hot_free(hot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_start_retired),
        cmocka_unit_test(stale_handle_never_matches),
        cmocka_unit_test(readers_see_renewals),
    };
    return cmocka_run_group_tests_name("hot", tests, NULL, NULL);
}
