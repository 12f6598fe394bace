#include "prefetch.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "port.h"
#include "url.h"

enum {
    MAX_NAMES = 256,
    MAX_BUNDLES = 16,
    MAX_BUNDLE = 8 * 1024 * 1024, /* bytes; the one of Debian has 220,000 */
    MAX_ADDRESSES = 16
};

/* Seconds until a name is looked up again, or a file read again; AGE when a source is opened. */
#define AGE         300.0
#define DOUBTED_AGE 60.0
#define FAILED_AGE  5.0

/* What is known about a name, or of a file. */
struct entry {
    char *key; /* the host, or the path */
    char
        *content; /* addresses, as CURLOPT_RESOLVE takes them (NULL: none found so far), or bytes */
    size_t len;   /* of the bytes */
    double looked; /* when, the last time */
    bool doubted;  /* no connection came about with the addresses */
    bool needed;   /* a request has looked it up: before that, a failure counts for nothing */
};

struct cache {
    struct entry *entries;
    size_t count, limit;
    int (*compare)(const char *, const char *); /* of keys */
};

static struct entry name_entries[MAX_NAMES], bundle_entries[MAX_BUNDLES];

/* Never held while anything blocks. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct cache names = {name_entries, 0, MAX_NAMES, strcasecmp};
static struct cache bundles = {bundle_entries, 0, MAX_BUNDLES, strcmp};

/* ---- the caches: under the lock ---- */

static struct entry *find(const struct cache *cache, const char *key)
{
    for (size_t i = 0; i < cache->count; i++)
        if (cache->compare(cache->entries[i].key, key) == 0)
            return &cache->entries[i];
    return NULL;
}

/* An empty one: free so far, or the one that was not looked at for the longest time. */
static struct entry *make_room(struct cache *cache)
{
    if (cache->count < cache->limit)
        return &cache->entries[cache->count++];
    struct entry *oldest = &cache->entries[0];
    for (size_t i = 1; i < cache->count; i++)
        if (cache->entries[i].looked < oldest->looked)
            oldest = &cache->entries[i];
    free(oldest->key);
    free(oldest->content);
    memset(oldest, 0, sizeof *oldest);
    return oldest;
}

/* The entry of that key, which has been looked at now. NULL: no memory. */
static struct entry *touch(struct cache *cache, const char *key)
{
    struct entry *entry = find(cache, key);
    if (!entry) {
        char *copy = strdup(key);
        if (!copy)
            return NULL;
        entry = make_room(cache);
        entry->key = copy;
    }
    entry->looked = gr_now(); /* NOLINT(gcc-analyzer): the copy is the entry's */
    return entry;
}

/* ---- names ---- */

/* libcurl takes localhost and the names below it for loopback without asking anybody. */
static bool is_local(const char *host)
{
    static const char local[] = ".localhost";
    size_t len = strlen(host), tail = sizeof local - 1;
    return strcasecmp(host, "localhost") == 0 ||
           (len > tail && strcasecmp(host + len - tail, local) == 0);
}

/* An IPv6 address stands in brackets. */
static bool needs_no_look(const char *host)
{
    struct in_addr v4;
    return host[0] == '[' || inet_pton(AF_INET, host, &v4) == 1 || is_local(host);
}

/* false: one with a scope, which libcurl does not take, or of another family. */
static bool print_address(const struct addrinfo *info, char text[INET6_ADDRSTRLEN])
{
    const struct sockaddr_in *v4 = (const void *)info->ai_addr;
    const struct sockaddr_in6 *v6 = (const void *)info->ai_addr;
    if (info->ai_family == AF_INET)
        return inet_ntop(AF_INET, &v4->sin_addr, text, INET6_ADDRSTRLEN) != NULL;
    return info->ai_family == AF_INET6 && v6->sin6_scope_id == 0 &&
           inet_ntop(AF_INET6, &v6->sin6_addr, text, INET6_ADDRSTRLEN) != NULL;
}

/* NULL: there are none. */
static char *print_addresses(const struct addrinfo *info)
{
    char all[MAX_ADDRESSES * (INET6_ADDRSTRLEN + 1)], text[INET6_ADDRSTRLEN];
    size_t len = 0;
    for (int count = 0; info && count < MAX_ADDRESSES; info = info->ai_next) {
        if (!print_address(info, text))
            continue;
        len += (size_t)snprintf(all + len, sizeof all - len, "%s%s", count++ ? "," : "", text);
    }
    return len > 0 ? strdup(all) : NULL;
}

/* Blocks: for a request not for long, as a host may be waiting. NULL: there are none, or nobody answers. */
static char *look_up(const char *host, bool needed)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    struct gr_patience usual;
    if (needed)
        gr_port_resolver_hurry(&usual);
    int failed = getaddrinfo(host, NULL, &hints, &found);
    if (needed)
        gr_port_resolver_calm(&usual);
    if (failed)
        return NULL;
    char *addresses = print_addresses(found);
    freeaddrinfo(found);
    return addresses;
}

/* Under the lock, as the next two. */
static bool is_due(const struct entry *name, bool needed)
{
    double age = gr_now() - name->looked;
    if (!name->content)
        return (needed && !name->needed) || age >= FAILED_AGE;
    if (name->doubted)
        return age >= DOUBTED_AGE;
    return !needed && age >= AGE;
}

/* Takes `fresh` over, which may be NULL. */
static void keep_addresses(const char *host, char *fresh, bool needed)
{
    struct entry *name = touch(&names, host);
    if (!name) {
        free(fresh);
        return;
    }
    name->needed = name->needed || needed;
    if (!fresh)
        return;
    free(name->content);
    name->content = fresh;
    name->doubted = false;
}

static char *copy_addresses(const struct entry *name)
{
    return name && name->content ? strdup(name->content) : NULL;
}

/* A copy of what is known about a host, which is looked up first where that is due. */
static char *addresses_of(const char *host, bool needed)
{
    pthread_mutex_lock(&lock);
    const struct entry *name = find(&names, host);
    if (!name || is_due(name, needed)) {
        pthread_mutex_unlock(&lock);
        char *fresh = look_up(host, needed);
        pthread_mutex_lock(&lock);
        keep_addresses(host, fresh, needed);
        name = find(&names, host);
    }
    char *addresses = copy_addresses(name);
    pthread_mutex_unlock(&lock);
    return addresses;
}

void gr_prefetch_doubt(const struct curl_slist *pins)
{
    char host[256];
    pthread_mutex_lock(&lock);
    for (; pins; pins = pins->next) {
        snprintf(host, sizeof host, "%.*s", (int)strcspn(pins->data + 1, ":"), pins->data + 1);
        struct entry *name = find(&names, host);
        if (name)
            name->doubted = true;
    }
    pthread_mutex_unlock(&lock);
}

/* ---- for libcurl ---- */

/* With "+" it forgets them when it would have forgotten what it had found itself: a thread that comes later
 * shall not go by them for ever. */
static CURLcode pin(struct curl_slist **pins, const char *host, const char *port, bool needed,
                    CURLcode unknown)
{
    if (needs_no_look(host))
        return CURLE_OK;
    char *addresses = addresses_of(host, needed), *line = NULL;
    if (!addresses)
        return unknown;
    int len = asprintf(&line, "+%s:%s:%s", host, port, addresses);
    struct curl_slist *more = len < 0 ? NULL : curl_slist_append(*pins, line);
    free(addresses);
    if (len >= 0)
        free(line);
    if (more)
        *pins = more;
    return more ? CURLE_OK : CURLE_OUT_OF_MEMORY;
}

/* The proxies that leave looking up the request's host to their client. */
static bool is_socks(const char *scheme)
{
    return strcasecmp(scheme, "socks4") == 0 || strcasecmp(scheme, "socks5") == 0;
}

/* *local: the request's host has to be known, too. libcurl reads a proxy's address with the same flags, and
 * knows the same ports for one without. */
static CURLcode pin_proxy(struct curl_slist **pins, const char *proxy, bool needed, bool *local)
{
    CURLU *parser = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    CURLcode code = parser ? CURLE_COULDNT_RESOLVE_PROXY : CURLE_OUT_OF_MEMORY;
    if (parser &&
        curl_url_set(parser, CURLUPART_URL, proxy, CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME) ==
            CURLUE_OK &&
        curl_url_get(parser, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(parser, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        const char *usual = strcasecmp(scheme, "https") == 0 ? "443" : "1080";
        curl_url_get(parser, CURLUPART_PORT, &port, 0);
        *local = is_socks(scheme);
        code = pin(pins, host, port ? port : usual, needed, code);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parser);
    return code;
}

static CURLcode pin_all(struct curl_slist **pins, const struct gr_url *url, const char *proxy,
                        bool needed)
{
    CURLcode code = CURLE_OK;
    bool local = true;
    if (proxy)
        code = pin_proxy(pins, proxy, needed, &local);
    if (code == CURLE_OK && local)
        code = pin(pins, url->host, url->port, needed, CURLE_COULDNT_RESOLVE_HOST);
    return code;
}

/* ---- certificates ---- */

static bool is_readable(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rbe");
    struct stat about;
    char *bytes = NULL;
    if (file && fstat(fileno(file), &about) == 0 && about.st_size > 0 &&
        about.st_size <= MAX_BUNDLE)
        bytes = malloc((size_t)about.st_size);
    if (bytes)
        *len = fread(bytes, 1, (size_t)about.st_size, file);
    if (bytes && *len < (size_t)about.st_size) { /* a part of it would not do */
        free(bytes);
        bytes = NULL;
    }
    if (file)
        fclose(file);
    return bytes;
}

/* Takes `bytes` over. Under the lock. */
static void keep_bundle(const char *path, char *bytes, size_t len)
{
    struct entry *bundle = touch(&bundles, path);
    if (!bundle) {
        free(bytes);
        return;
    }
    free(bundle->content);
    bundle->content = bytes;
    bundle->len = len;
}

static void read_bundle(const char *path)
{
    size_t len = 0;
    pthread_mutex_lock(&lock);
    const struct entry *bundle = find(&bundles, path);
    bool due = !bundle || gr_now() - bundle->looked >= AGE;
    pthread_mutex_unlock(&lock);
    char *bytes = due ? read_file(path, &len) : NULL;
    if (!bytes)
        return;
    pthread_mutex_lock(&lock);
    keep_bundle(path, bytes, len);
    pthread_mutex_unlock(&lock);
}

/* As long as libcurl can read the file itself it may: then it keeps what it has made of it. */
static CURLcode give_bundle(CURL *easy, CURLoption option, const char *path)
{
    CURLcode code = CURLE_OK;
    if (is_readable(path))
        return code;
    pthread_mutex_lock(&lock);
    const struct entry *bundle = find(&bundles, path);
    if (bundle) {
        struct curl_blob blob = {bundle->content, bundle->len, CURL_BLOB_COPY};
        code = curl_easy_setopt(easy, option, &blob);
    }
    pthread_mutex_unlock(&lock);
    return code;
}

static const char *usual_bundle(void)
{
    const char *path = curl_version_info(CURLVERSION_NOW)->cainfo;
    return path ? path : "";
}

/* ---- both ---- */

static bool is_secure(const struct gr_url *url)
{
    return strcmp(url->scheme, "https") == 0;
}

void gr_prefetch(const char *text, const char *proxy, const char *ca_file)
{
    struct gr_url url;
    struct curl_slist *pins = NULL;
    if (!gr_url_parse(&url, text)) {
        pin_all(&pins, &url, url.loopback ? NULL : proxy, false);
        curl_slist_free_all(pins);
        if (is_secure(&url))
            read_bundle(ca_file ? ca_file : usual_bundle());
        if (proxy)
            read_bundle(usual_bundle());
    }
    gr_url_clear(&url);
}

CURLcode gr_prefetch_apply(CURL *easy, struct curl_slist **pins, const struct gr_url *url,
                           const char *proxy, const char *ca_file)
{
    const char *through = proxy && proxy[0] ? proxy : NULL;
    CURLcode code = pin_all(pins, url, through, true);
    if (code == CURLE_OK)
        curl_easy_setopt(easy, CURLOPT_RESOLVE, *pins);
    /* What is pinned now shall still be there when it gets its turn. */
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, -1L);
    if (code == CURLE_OK && is_secure(url))
        code = give_bundle(easy, CURLOPT_CAINFO_BLOB, ca_file ? ca_file : usual_bundle());
    if (code == CURLE_OK && through)
        code = give_bundle(easy, CURLOPT_PROXY_CAINFO_BLOB, usual_bundle());
    return code;
}

void gr_prefetch_before_fork(void)
{
    pthread_mutex_lock(&lock);
}

void gr_prefetch_after_fork(void)
{
    pthread_mutex_unlock(&lock);
}
