/* fuzz: what the harnesses of this folder have in common. Each is linked with libFuzzer (make fuzz), or with
 * replay.c, which runs the inputs it is given (make test). */
#ifndef GROOVE_TEST_FUZZ_H
#define GROOVE_TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Everything that is found out about an input; 0. What must not be ends the process. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, so that libFuzzer keeps the input, and replay.c names it. */
#define FUZZ_CHECK(condition)                                                       \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

#endif
