#include "curl_loop.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

struct transfer {
    CURL *easy;
    char *bytes;
    size_t len, capacity;
};

struct loop {
    CURLM *multi;
    struct curl_slist *headers;
    size_t width;
    struct transfer transfers[];
};

static size_t receive(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t len = size * count;

    if (transfer->len + len > transfer->capacity) {
        size_t capacity = 2 * (transfer->len + len);
        char *grown = realloc(transfer->bytes, capacity);

        if (grown == NULL)
            return 0;
        transfer->bytes = grown;
        transfer->capacity = capacity;
    }
    memcpy(transfer->bytes + transfer->len, bytes, len);
    transfer->len += len;
    return len;
}

static void set_up(struct transfer *transfer, const char *url, struct curl_slist *headers)
{
    CURL *easy = transfer->easy;

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
}

struct loop *loop_new(const char *url, const char *header, size_t width)
{
    struct loop *loop = calloc(1, sizeof *loop + width * sizeof loop->transfers[0]);

    if (loop == NULL)
        return NULL;
    loop->width = width;
    loop->multi = curl_multi_init();
    loop->headers = curl_slist_append(NULL, header);
    for (size_t i = 0; i < width; i++) {
        loop->transfers[i].easy = curl_easy_init();
        set_up(&loop->transfers[i], url, loop->headers);
    }
    return loop;
}

void loop_free(struct loop *loop)
{
    for (size_t i = 0; i < loop->width; i++) {
        curl_easy_cleanup(loop->transfers[i].easy);
        free(loop->transfers[i].bytes);
    }
    curl_multi_cleanup(loop->multi);
    curl_slist_free_all(loop->headers);
    free(loop);
}

static int finish(struct transfer *transfer, CURLcode code, loop_answer *answer, void *context)
{
    long status = 0;

    if (code != CURLE_OK)
        return (int)code;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200)
        return (int)status;
    return answer(context, transfer->bytes, transfer->len);
}

int loop_easy(struct loop *loop, size_t count, loop_answer *answer, void *context)
{
    struct transfer *transfer = &loop->transfers[0];
    int failed = 0;

    for (size_t i = 0; i < count && failed == 0; i++) {
        transfer->len = 0;
        failed = finish(transfer, curl_easy_perform(transfer->easy), answer, context);
    }
    return failed;
}

static void start(struct loop *loop, struct transfer *transfer)
{
    transfer->len = 0;
    curl_multi_add_handle(loop->multi, transfer->easy);
}

/* Takes what has finished; starts another in its place while there are any to be started. */
static int take_finished(struct loop *loop, size_t *unstarted, size_t *done, loop_answer *answer,
                         void *context)
{
    int left, failed = 0;
    CURLMsg *message;

    while (failed == 0 && (message = curl_multi_info_read(loop->multi, &left)) != NULL) {
        struct transfer *transfer;
        CURLcode code = message->data.result;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        curl_multi_remove_handle(loop->multi, transfer->easy);
        failed = finish(transfer, code, answer, context);
        (*done)++;
        if (*unstarted > 0) {
            (*unstarted)--;
            start(loop, transfer);
        }
    }
    return failed;
}

int loop_multi(struct loop *loop, size_t count, loop_answer *answer, void *context)
{
    size_t first = count < loop->width ? count : loop->width;
    size_t unstarted = count - first, done = 0;
    int running, failed = 0;

    for (size_t i = 0; i < first; i++)
        start(loop, &loop->transfers[i]);
    while (done < count && failed == 0) {
        if (curl_multi_perform(loop->multi, &running) != CURLM_OK)
            return -1;
        failed = take_finished(loop, &unstarted, &done, answer, context);
        if (failed == 0 && done < count)
            curl_multi_poll(loop->multi, NULL, 0, 1000, NULL);
    }
    return failed;
}
