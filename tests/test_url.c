/* url: where a request may go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools.h"
#include "url.h"

static void loopback(void **state)
{
    static const struct {
        const char *url;
        bool loopback;
    } rows[] = {
        {"http://127.0.0.1/", true},
        {"http://127.1.2.3:8080/token", true},
        {"http://127.255.255.255", true},
        {"http://[::1]/", true},
        {"http://[::1]:8080/", true},
        {"http://[0:0:0:0:0:0:0:1]/", true},
        {"http://localhost/", true},
        {"http://LOCALHOST:1/", true},
        {"http://LocalHost", true},
        {"http://127.1/", true}, /* what inet_aton reads, libcurl reads in the same way */
        {"http://2130706433/", true},
        {"http://0x7f000001/", true},
        {"http://0177.0.0.1/", true},
        {"http://2130706432/", true},
        {"http://134744072/", false}, /* 8.8.8.8 */
        {"http://0x08080808/", false},
        {"http://0/", false},
        {"http://0.0.0.0/", false},
        {"http://128.0.0.1/", false},
        {"http://126.255.255.255/", false},
        {"http://127.0.0.1.evil.example/", false},
        {"http://127.0.0.1.nip.io/", false},
        {"http://localhost.evil.example/", false},
        {"http://evil-localhost/", false},
        {"http://localhost./", false},
        {"http://127.0.0.1./", false},
        {"http://127.0.0.256/", false},
        {"http://[::2]/", false},
        {"http://[::ffff:127.0.0.1]/", false},
        {"http://[::]/", false},
        {"http://example.com/?127.0.0.1", false},
        {"http://example.com/#@127.0.0.1", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct gr_url url;
        const char *wrong = gr_url_parse(&url, rows[i].url);
        bool found = !wrong && url.loopback;
        if (found != rows[i].loopback)
            print_error("%s: %s\n", rows[i].url, wrong ? wrong : url.host);
        assert_true(found == rows[i].loopback);
        gr_url_clear(&url);
    }
}

static bool allowed(const char *text, bool allow_http)
{
    struct gr_url url;
    bool fine = !gr_url_parse(&url, text) && !gr_url_refusal(&url, allow_http);
    gr_url_clear(&url);
    return fine;
}

static void check_allowed(const char *text, bool without, bool with)
{
    if (allowed(text, false) != without || allowed(text, true) != with)
        print_error("%s\n", text);
    assert_true(allowed(text, false) == without);
    assert_true(allowed(text, true) == with);
}

static void where_a_request_may_go(void **state)
{
    static const char *const always[] = {
        "https://example.com/",   "HTTPS://EXAMPLE.COM/", "https://example.com:8443/a?b=c",
        "https://[2001:db8::1]/", "http://127.0.0.1:1/",  "http://localhost/token",
        "http://[::1]/",
    };
    static const char *const with_allow_http[] = {
        "http://example.com/",
        "http://127.0.0.1.evil.example/",
        "http://134744072/",
        "http://localhost.evil.example/",
    };
    static const char *const never[] = {
        "",
        "example.com",
        "//example.com/",
        "/token",
        "localhost",
        "localhost:80",
        "http://",
        "http:///",
        "https://",
        "http://:80/",
        "ftp://example.com/",
        "ftp://localhost/",
        "file:///etc/passwd",
        "file://localhost/etc/passwd",
        "gopher://127.0.0.1/",
        "ws://127.0.0.1/",
        "smb://127.0.0.1/",
        "javascript:alert(1)",
        "data:text/plain,hello",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://:password@example.com/",
        "https://@example.com/",
        "http://localhost@evil.example/",
        "http://127.0.0.1@evil.example/",
        "http://evil.example@127.0.0.1/",
        "https://exa mple.com/",
        "https://example.com/a b",
        "https://example.com:99999/",
        "https://example.com:port/",
        "http://[::1/",
        "http://[::1]evil.example/",
        "http://127.0.0.1\r\nHost: evil.example/",
        "http://127.0.0.1\\@evil.example/",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(always); i++)
        check_allowed(always[i], true, true);
    for (size_t i = 0; i < COUNT(with_allow_http); i++)
        check_allowed(with_allow_http[i], false, true);
    for (size_t i = 0; i < COUNT(never); i++)
        check_allowed(never[i], false, false);
}

static void parts(void **state)
{
    struct gr_url url;
    (void)state;
    assert_null(gr_url_parse(&url, "HTTPS://Example.com/1/content?a=b%20c&d"));
    assert_string_equal(url.scheme, "https");
    assert_string_equal(url.port, "443");
    assert_string_equal(url.path, "/1/content");
    assert_string_equal(url.query, "a=b%20c&d");
    assert_int_equal(strcasecmp(url.host, "example.com"), 0);
    assert_false(url.userinfo);
    gr_url_clear(&url);
    assert_null(gr_url_parse(&url, "http://localhost"));
    assert_string_equal(url.port, "80");
    assert_string_equal(url.path, "/");
    assert_null(url.query);
    gr_url_clear(&url);
    gr_url_clear(&url); /* once more does no harm */
    assert_null(gr_url_parse(&url, "http://a:b@localhost:7/"));
    assert_true(url.userinfo);
    gr_url_clear(&url);
    assert_non_null(gr_url_parse(&url, "::::"));
    gr_url_clear(&url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loopback),
        cmocka_unit_test(where_a_request_may_go),
        cmocka_unit_test(parts),
    };
    return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
