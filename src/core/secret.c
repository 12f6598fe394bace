#include "secret.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHED 1
#endif
#endif

/* The address sanitizer cannot see into arenas: tell it what is free. */
#ifdef WATCHED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, len)   ((void)(memory), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(memory, len) ((void)(memory), (void)(len))
#endif

#define SECRET_MAX ((size_t)16 << 20)
#define CHUNK      ((size_t)64 << 10) /* what older kernels let be locked, all of it */
#define SMALL_MAX  ((size_t)8 << 10)  /* larger blocks have pages of their own */
#define STEP_MIN   4                  /* the smallest classes are 16 bytes apart */
#define STEP_MAX   10
/* What libcurl with TLS was seen to use of a stack, and as much again. */
#define STACK_REACH ((size_t)16 << 10)

struct free_block {
    struct free_block *next;
};

static struct {
    pthread_mutex_t lock;
    struct free_block *free[(STEP_MAX - STEP_MIN + 1) * 8];
    char *rest; /* what is left of the newest chunk */
    size_t rest_len;
    size_t count;
} arena = {.lock = PTHREAD_MUTEX_INITIALIZER};

static size_t block_len(size_t len)
{
    return offsetof(struct gr_secret, bytes) + len + 1;
}

/* Multiples of 16 up to 128, then four classes to a doubling: under a fifth of a block is lost. */
static size_t class_of(size_t need, size_t *size)
{
    size_t step = STEP_MIN;
    size_t units;

    while (need > (size_t)8 << step)
        step++;
    units = (need + ((size_t)1 << step) - 1) >> step;
    *size = units << step;
    return (step - STEP_MIN) * 8 + units - 1;
}

static void *map(size_t len)
{
    void *pages = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED)
        return NULL;
    /* Both are best effort: a container may forbid locking, and a token is still better had. */
    (void)mlock(pages, len);
#ifdef MADV_DONTDUMP
    (void)madvise(pages, len, MADV_DONTDUMP);
#endif
    return pages;
}

/* Cuts a block off the newest chunk. What an old chunk has left is given up: under 8 KiB of 64. */
static void *cut(size_t size)
{
    char *block;

    if (arena.rest_len < size) {
        char *chunk = map(CHUNK);
        if (!chunk)
            return NULL;
        ASAN_POISON_MEMORY_REGION(chunk, CHUNK);
        arena.rest = chunk;
        arena.rest_len = CHUNK;
    }
    block = arena.rest;
    arena.rest += size;
    arena.rest_len -= size;
    ASAN_UNPOISON_MEMORY_REGION(block, size);
    return block;
}

/* A zeroed block, but for the link, which the caller's len replaces. */
static void *take(size_t need)
{
    size_t size;
    size_t class = class_of(need, &size);
    struct free_block *block = arena.free[class];

    if (!block)
        return cut(size);
    ASAN_UNPOISON_MEMORY_REGION(block, size);
    arena.free[class] = block->next;
    return block;
}

static void give(void *memory, size_t need)
{
    size_t size;
    size_t class = class_of(need, &size);
    struct free_block *block = memory;

    block->next = arena.free[class];
    arena.free[class] = block;
    ASAN_POISON_MEMORY_REGION(block, size);
}

struct gr_secret *gr_secret_new(const void *bytes, size_t len)
{
    struct gr_secret *secret;
    size_t need;

    if (len > SECRET_MAX)
        return NULL;
    need = block_len(len);
    pthread_mutex_lock(&arena.lock);
    secret = need > SMALL_MAX ? map(need) : take(need);
    arena.count += secret != NULL;
    pthread_mutex_unlock(&arena.lock);
    if (!secret)
        return NULL;
    secret->len = len;
    if (bytes && len > 0)
        memcpy(secret->bytes, bytes, len);
    return secret;
}

void gr_secret_free(struct gr_secret *secret)
{
    size_t need;

    if (!secret)
        return;
    need = block_len(secret->len);
    gr_zero(secret, need);
    pthread_mutex_lock(&arena.lock);
    if (need > SMALL_MAX)
        munmap(secret, need);
    else
        give(secret, need);
    arena.count--;
    pthread_mutex_unlock(&arena.lock);
}

bool gr_secret_is(const struct gr_secret *secret, const void *bytes, size_t len)
{
    /* volatile: the compiler may not see that one difference decides, and stop there. */
    volatile unsigned char difference = 0;
    const char *given = bytes;

    if (!secret || secret->len != len)
        return false;
    for (size_t i = 0; i < len; i++)
        difference = (unsigned char)(difference | (secret->bytes[i] ^ given[i]));
    return difference == 0;
}

bool gr_secret_equal(const struct gr_secret *a, const struct gr_secret *b)
{
    if (!a || !b)
        return a == b;
    return gr_secret_is(a, b->bytes, b->len);
}

void gr_zero(void *memory, size_t len)
{
    explicit_bzero(memory, len);
}

__attribute__((noinline)) void gr_zero_stack(void)
{
    char below[STACK_REACH];

    gr_zero(below, sizeof below);
    /* The same loads, of zeroes, into the same registers: which those are depends on the length. */
    for (volatile size_t len = 16; len <= sizeof below / 2; len = 2 * len)
        memcpy(below, below + sizeof below / 2, len);
    gr_zero(below, 1); /* without it the compiler would leave the copies out */
}

size_t gr_secret_count(void)
{
    size_t count;

    pthread_mutex_lock(&arena.lock);
    count = arena.count;
    pthread_mutex_unlock(&arena.lock);
    return count;
}

void gr_secret_before_fork(void)
{
    pthread_mutex_lock(&arena.lock);
}

void gr_secret_after_fork(bool in_child)
{
    if (in_child)
        pthread_mutex_init(&arena.lock, NULL);
    else
        pthread_mutex_unlock(&arena.lock);
}
