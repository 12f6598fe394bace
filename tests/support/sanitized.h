/* sanitized: SANITIZED is 1 in a build for AddressSanitizer, ThreadSanitizer or valgrind, else 0. */
#ifndef GROOVE_TEST_SANITIZED_H
#define GROOVE_TEST_SANITIZED_H

/* They take time: what is repeated only to meet a race is repeated less. They have memory of their own. */
#ifndef SANITIZED /* which the build for valgrind has defined: no compiler knows of it */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif
