/* Runs a harness over inputs that are given as files and folders, each of which is one test. usage: replay
 * PATH... An input that ends the process is named on the last line. */
#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

static const char *current = "";

static void on_end(int signal_number)
{
    const char *parts[] = {"this input ended it: ", current, "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (write(STDERR_FILENO, parts[i], strlen(parts[i])) < 0)
            break;
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void run_file(const char *path, FILE *file)
{
    uint8_t *data = NULL;
    long size;
    current = path;
    if (fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
        abort();
    rewind(file);
    /* of the exact size, so that a sanitizer sees what is read beyond it */
    data = malloc(size > 0 ? (size_t)size : 1);
    if (!data || fread(data, 1, (size_t)size, file) != (size_t)size)
        abort();
    LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static unsigned run(const char *path);

static unsigned run_folder(const char *path)
{
    struct dirent **entries;
    unsigned ran = 0;
    int count = scandir(path, &entries, visible, alphasort);
    for (int i = 0; i < count; i++) {
        char file[1024];
        snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        ran += run(file);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return ran;
}

/* The number of inputs. */
static unsigned run(const char *path)
{
    FILE *file;
    DIR *folder = opendir(path);
    if (folder) {
        closedir(folder);
        return run_folder(path);
    }
    file = fopen(path, "rb");
    if (!file)
        return 0;
    run_file(path, file);
    fclose(file);
    return 1;
}

int main(int count, char **paths)
{
    signal(SIGABRT, on_end);
    signal(SIGSEGV, on_end);
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < count; i++) {
        unsigned ran = run(paths[i]);
        printf("%sok %d - %s: %u inputs\n", ran ? "" : "not ", i, paths[i], ran);
    }
    printf("1..%d\n", count - 1);
    return count > 1 ? 0 : 2;
}
