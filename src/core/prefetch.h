/* prefetch: what a process without the engine's thread has to know beforehand: where hosts are, and whom to
 * trust.
 *
 * libcurl resolves names in a thread of its own. Where none is to be had or wanted, names are looked up
 * here instead, which blocks whoever drives, and libcurl gets the addresses. After a chroot, or as another
 * user, neither the system's resolver nor the CA file may be within reach; so both are kept, for the whole
 * process, from when a source is opened.
 *
 * Whoever drives may be a host that answers for much else. So known addresses are looked up anew only when
 * the last exchange got no connection, once a minute, in a hurry; age alone is a reason only when a source
 * is opened. If nothing is found then, the old ones stay. Where none are known, the next look is five
 * seconds after one that failed. Every function may be called from any thread, without the state lock. */
#ifndef GROOVE_PREFETCH_H
#define GROOVE_PREFETCH_H

#include <curl/curl.h>

struct gr_url;

/* Looks up what requests to that URL need, and reads the certificates. Blocks. What fails is tried again by
 * the first request. proxy, ca_file: as in struct gr_request. */
void gr_prefetch(const char *url, const char *proxy, const char *ca_file);

/* Sets `easy` up so that libcurl starts no thread: with the addresses, which it borrows from *pins until it
 * has done with the handle; and with the certificates kept, where their file cannot be read any more. Blocks
 * where a name has to be looked up. proxy: NULL or "": none. */
CURLcode gr_prefetch_apply(CURL *easy, struct curl_slist **pins, const struct gr_url *url,
                           const char *proxy, const char *ca_file);

/* No connection came about with these. */
void gr_prefetch_doubt(const struct curl_slist *pins);

/* For the fork handlers: a child has the whole cache. */
void gr_prefetch_before_fork(void);
void gr_prefetch_after_fork(void);

#endif
