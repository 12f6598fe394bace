/* sanitized: SANITIZED is 1 in a build with AddressSanitizer or ThreadSanitizer, else 0. */
#ifndef GROOVE_TEST_SANITIZED_H
#define GROOVE_TEST_SANITIZED_H

/* Sanitizers take time: what is repeated only to meet a race is repeated less. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif
