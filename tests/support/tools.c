#include "tools.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"

uint64_t random_bits(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void pause_for(double seconds)
{
    struct timespec wait = {(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)};
    while (nanosleep(&wait, &wait) != 0 && errno == EINTR)
        continue;
}

static unsigned count_threads(void)
{
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    while (tasks && readdir(tasks))
        count++;
    if (tasks)
        closedir(tasks);
    return count;
}

int settled_fork(void)
{
    unsigned before = 0, now = SANITIZED ? count_threads() : 0;
    while (now != before) {
        before = now;
        pause_for(0.02);
        now = count_threads();
    }
    return fork();
}

struct gr_request request_to(const char *method, const char *url)
{
    return (struct gr_request){
        .method = method,
        .url = url,
        .timeout = LONG,
        .connect_timeout = 5,
        .max_body = 1 << 20,
    };
}

static bool threadless; /* counted with the engine as one who wants no thread */

struct gr_options options_for(const char *token_url)
{
    return (struct gr_options){
        .token_url = token_url,
        .client_id = "id",
        .client_secret = "secret",
        .secret_len = 6,
        .timeout = 15,
        .connect_timeout = 5,
        .renew = true,
        .thread = !threadless,
    };
}

const char *outcome(struct gr_op *op)
{
    static _Thread_local char code[48];
    bool done = gr_op_wait(op, LONG);
    strcpy(code, done ? op->error.code : "running");
    gr_op_release(op);
    return code;
}

int await_child(int pid)
{
    int status = 0;
    for (double waited = 0; waited < LONG; waited += 0.002) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        pause_for(0.002);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return -1;
}

void use_thread(bool threaded)
{
    gr_engine_shutdown(0);
    gr_engine_lock();
    if (threadless == threaded)
        gr_engine_count(false, threaded ? -1 : 1);
    threadless = !threaded;
    gr_engine_unlock();
}
