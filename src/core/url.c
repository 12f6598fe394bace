#include "url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char gr_url_no_memory[] = "could not be parsed: no memory";

/* A URL, and whether all that was asked of it could be told. */
struct reading {
    CURLU *handle;
    bool failed;
};

/* NULL: it has none. */
static char *part(struct reading *r, CURLUPart what, unsigned flags)
{
    char *text = NULL;
    CURLUcode code = curl_url_get(r->handle, what, &text, flags);
    r->failed = r->failed || code == CURLUE_OUT_OF_MEMORY;
    return code == CURLUE_OK ? text : NULL;
}

static bool has(struct reading *r, CURLUPart what)
{
    char *text = part(r, what, 0);
    bool there = text != NULL;
    curl_free(text);
    return there;
}

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    char bare[INET6_ADDRSTRLEN];
    size_t len = strlen(host);
    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    if (host[0] != '[' || len < 3 || len - 2 >= sizeof bare)
        return false;
    memcpy(bare, host + 1, len - 2);
    bare[len - 2] = '\0';
    return inet_pton(AF_INET6, bare, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static const char *take_parts(struct gr_url *url, struct reading *r)
{
    url->scheme = part(r, CURLUPART_SCHEME, 0);
    url->host = part(r, CURLUPART_HOST, 0);
    url->port = part(r, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    url->path = part(r, CURLUPART_PATH, 0);
    url->query = part(r, CURLUPART_QUERY, 0);
    url->userinfo = has(r, CURLUPART_USER) || has(r, CURLUPART_PASSWORD);
    if (r->failed)
        return gr_url_no_memory;
    if (!url->scheme || !url->host || !url->host[0] || !url->port || !url->path)
        return "is not an absolute http or https URL";
    url->loopback = is_loopback(url->host);
    return NULL;
}

const char *gr_url_parse(struct gr_url *url, const char *text)
{
    memset(url, 0, sizeof *url);
    struct reading r = {curl_url(), false};
    if (!r.handle)
        return gr_url_no_memory;
    const char *wrong = "is not an absolute http or https URL";
    CURLUcode code = curl_url_set(r.handle, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
    if (code == CURLUE_OK)
        wrong = take_parts(url, &r);
    else if (code == CURLUE_OUT_OF_MEMORY)
        wrong = gr_url_no_memory;
    curl_url_cleanup(r.handle);
    return wrong;
}

void gr_url_clear(struct gr_url *url)
{
    char *parts[] = {url->scheme, url->host, url->port, url->path, url->query};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        curl_free(parts[i]);
    memset(url, 0, sizeof *url);
}

const char *gr_url_refusal(const struct gr_url *url, bool allow_http)
{
    bool https = strcmp(url->scheme, "https") == 0;
    if (!https && strcmp(url->scheme, "http") != 0)
        return "must be https";
    if (url->userinfo)
        return "must not hold a user name or password";
    if (!https && !url->loopback && !allow_http)
        return "must be https (http is for loopback addresses, or with allow_http = true)";
    return NULL;
}
