/* A module whose loading is one overflow, one data race and one leak, for a sanitizer or valgrind to find.
 * Never installed. */
#include <pthread.h>
#include <stdlib.h>

struct lua_State;
int luaopen_planted(struct lua_State *L);

static char *volatile block;

static void *planted_bug(void *unused)
{
    (void)unused;
    block[8] = 1;
    return NULL;
}

__attribute__((noinline)) static void planted_leak(void)
{
    block = malloc(8);
    block = NULL;
}

int luaopen_planted(struct lua_State *L)
{
    pthread_t thread;

    (void)L;
    planted_leak();
    block = malloc(8);
    if (block == NULL || pthread_create(&thread, NULL, planted_bug, NULL) != 0)
        return 0;
    planted_bug(NULL);
    pthread_join(thread, NULL);
    free(block);
    return 0;
}
