/* curl_loop: what a program would write by hand around libcurl, as plainly as that can be done. */
#ifndef BENCH_CURL_LOOP_H
#define BENCH_CURL_LOOP_H

#include <stddef.h>

struct loop;

/* Called for each answer, while its bytes are valid. Returns 0 to go on. */
typedef int loop_answer(void *context, const char *body, size_t len);

/* width: how many exchanges at once. header: one more request header. NULL: no memory. */
struct loop *loop_new(const char *url, const char *header, size_t width);
void loop_free(struct loop *loop);

/* Runs `count` GETs, one after another on one easy handle. 0, or a CURLcode or HTTP status. */
int loop_easy(struct loop *loop, size_t count, loop_answer *answer, void *context);

/* The same with `width` of them in flight on one multi handle, in this thread. */
int loop_multi(struct loop *loop, size_t count, loop_answer *answer, void *context);

#endif
