/* config: identities, what a token request holds, and the secret file. */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "tools.h"

static char folder[] = "/tmp/groove-config-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return !mkdtemp(folder);
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static const char *path_of(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_bytes(const char *path, const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}

static void write_text(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

static struct gr_config config_of(const struct gr_options *options)
{
    struct gr_config config;
    assert_true(gr_config_init(&config, options));
    return config;
}

/* ---- identities ---- */

/* compare(a, b), and that the other way round says the opposite. */
static int compare(const struct gr_options *a, const struct gr_options *b)
{
    struct gr_config x = config_of(a), y = config_of(b);
    int result = gr_config_compare(&x, &y);
    assert_true((gr_config_compare(&y, &x) > 0) == (result < 0));
    assert_int_equal(gr_config_compare(&x, &x), 0);
    gr_config_clear(&x);
    gr_config_clear(&y);
    return result;
}

static void fields_that_tell_sources_apart(void **state)
{
    struct gr_pair one[] = {{"audience", "a"}}, two[] = {{"audience", "b"}};
    struct gr_pair other[] = {{"audienceb", ""}};
    const struct gr_options base = options_for("https://a.example/token");
    struct gr_options variants[20];
    size_t count = 0;
    (void)state;
#define VARIANT(assignment) (variants[count] = base, variants[count].assignment, count++)
    VARIANT(token_url = "https://a.example/token2");
    VARIANT(client_id = "id2");
    VARIANT(client_id = NULL);
    VARIANT(client_id = "");
    VARIANT(scope = "scope");
    VARIANT(scope = "");
    VARIANT(ca_file = "/ca.pem");
    VARIANT(proxy = "http://proxy:1");
    VARIANT(proxy = "");
    VARIANT(secret_file = "/secret");
    VARIANT(secret_file = "/secret2");
    VARIANT(auth = GR_AUTH_BASIC);
    VARIANT(auth = GR_AUTH_NONE);
    VARIANT(allow_http = true);
    VARIANT(params = one), variants[count - 1].param_count = 1;
    VARIANT(params = two), variants[count - 1].param_count = 1;
    VARIANT(params = other), variants[count - 1].param_count = 1;
    VARIANT(headers = one), variants[count - 1].header_count = 1;
    VARIANT(headers = two), variants[count - 1].header_count = 1;
#undef VARIANT
    for (size_t i = 0; i < count; i++) {
        assert_int_not_equal(compare(&base, &variants[i]), 0);
        for (size_t k = 0; k < count; k++)
            assert_true((compare(&variants[k], &variants[i]) == 0) == (i == k));
    }
}

static void fields_that_do_not(void **state)
{
    struct gr_options a = options_for("https://a.example/token"), b = a;
    (void)state;
    b.client_secret = "other"; /* compared apart, in constant time */
    b.secret_len = 5;
    b.timeout = 1;
    b.connect_timeout = 1;
    b.user_agent = "me";
    b.renew = false;
    assert_int_equal(compare(&a, &b), 0);
}

static void order_of_params_does_not_matter(void **state)
{
    struct gr_pair ab[] = {{"a", "1"}, {"b", "2"}, {"c", ""}};
    struct gr_pair ba[] = {{"c", ""}, {"b", "2"}, {"a", "1"}};
    struct gr_pair swapped[] = {{"a", "2"}, {"b", "1"}, {"c", ""}};
    struct gr_options x = options_for("https://a.example/token"), y = x, z = x;
    (void)state;
    x.params = x.headers = ab;
    y.params = y.headers = ba;
    z.params = z.headers = swapped;
    x.param_count = y.param_count = z.param_count = COUNT(ab);
    x.header_count = y.header_count = z.header_count = COUNT(ab);
    assert_int_equal(compare(&x, &y), 0);
    assert_int_not_equal(compare(&x, &z), 0);
}

/* One field must not be able to run over into the next. */
static void borders_between_fields(void **state)
{
    struct gr_pair a[] = {{"ab", "c"}}, b[] = {{"a", "bc"}}, c[] = {{"a", "b"}, {"c", "d"}};
    struct gr_options x = options_for("https://a.example/token"), y = x;
    (void)state;
    x.client_id = "ab", x.scope = "c";
    y.client_id = "a", y.scope = "bc";
    assert_int_not_equal(compare(&x, &y), 0);
    x.client_id = y.client_id, x.scope = y.scope;
    x.params = a, x.param_count = 1;
    y.params = b, y.param_count = 1;
    assert_int_not_equal(compare(&x, &y), 0);
    x.params = c, x.param_count = 2;
    y.params = c, y.param_count = 1;
    y.headers = c + 1, y.header_count = 1;
    assert_int_not_equal(compare(&x, &y), 0);
}

/* ---- the request ---- */

static void check_body(const struct gr_options *options, const char *secret, size_t len,
                       const char *body)
{
    struct gr_config config = config_of(options);
    struct gr_exchange *exchange = gr_config_exchange(&config, 10);
    struct gr_secret *copy = secret ? gr_secret_new(secret, len) : NULL;
    assert_non_null(exchange);
    assert_true(gr_config_fill(&config, copy, exchange));
    assert_int_equal(exchange->body->len, strlen(exchange->body->bytes));
    assert_string_equal(exchange->body->bytes, body);
    assert_string_equal(exchange->method, "POST");
    gr_secret_free(copy);
    gr_exchange_free(exchange);
    gr_config_clear(&config);
}

static void form_is_encoded(void **state)
{
    struct gr_pair params[] = {{"resource", "https://a/?b=c&d=e+f%20"},
                               {"aud ience", "m\xc3\xbcsic"}};
    struct gr_options o = options_for("https://a.example/token");
    (void)state;
    check_body(&o, "secret", 6, "grant_type=client_credentials&client_id=id&client_secret=secret");
    o.client_id = "an id/+=&%";
    o.scope = "a b";
    check_body(&o, "p@ss w/rd+=&%;\xff\x01", 16,
               "grant_type=client_credentials&client_id=an%20id%2F%2B%3D%26%25"
               "&client_secret=p%40ss%20w%2Frd%2B%3D%26%25%3B%FF%01&scope=a%20b");
    o.params = params;
    o.param_count = 2;
    o.client_id = NULL;
    o.scope = NULL;
    check_body(&o, NULL, 0,
               "grant_type=client_credentials&aud%20ience=m%C3%BCsic"
               "&resource=https%3A%2F%2Fa%2F%3Fb%3Dc%26d%3De%2Bf%2520");
    o.param_count = 0;
    check_body(&o, "a\0b", 3, "grant_type=client_credentials&client_secret=a%00b");
    check_body(&o, "", 0, "grant_type=client_credentials&client_secret=");
    o.auth = GR_AUTH_NONE;
    o.client_id = "id";
    check_body(&o, "secret", 6, "grant_type=client_credentials&client_id=id");
}

static void large_secrets_fit(void **state)
{
    static char secret[65536], body[200 * 1024];
    struct gr_options o = options_for("https://a.example/token");
    char *at = stpcpy(body, "grant_type=client_credentials&client_id=id&client_secret=");
    (void)state;
    memset(secret, '/', sizeof secret);
    for (size_t i = 0; i < sizeof secret; i++)
        at = stpcpy(at, "%2F");
    check_body(&o, secret, sizeof secret, body);
}

static void basic_is_encoded_first(void **state)
{
    struct gr_options o = options_for("https://a.example/token");
    struct gr_secret *secret = gr_secret_new("s:c/%", 5);
    (void)state;
    o.auth = GR_AUTH_BASIC;
    o.client_id = "i:d +";
    struct gr_config config = config_of(&o);
    struct gr_exchange *exchange = gr_config_exchange(&config, 10);
    assert_true(gr_config_fill(&config, secret, exchange));
    assert_string_equal(exchange->username->bytes, "i%3Ad%20%2B");
    assert_string_equal(exchange->password->bytes, "s%3Ac%2F%25");
    assert_string_equal(exchange->body->bytes, "grant_type=client_credentials");
    gr_exchange_free(exchange);
    gr_secret_free(secret);
    gr_config_clear(&config);

    o.client_id = NULL; /* nothing is sent for what is absent */
    config = config_of(&o);
    exchange = gr_config_exchange(&config, 10);
    assert_true(gr_config_fill(&config, NULL, exchange));
    assert_null(exchange->username);
    assert_null(exchange->password);
    gr_exchange_free(exchange);
    gr_config_clear(&config);
}

static bool has_header(const struct gr_exchange *exchange, const char *line)
{
    for (const struct curl_slist *h = exchange->headers; h; h = h->next)
        if (strcmp(h->data, line) == 0)
            return true;
    return false;
}

static void headers_and_limits(void **state)
{
    struct gr_pair headers[] = {{"X-Tenant", "a b"}, {"X-Empty", ""}};
    struct gr_options o = options_for("https://a.example/token");
    (void)state;
    o.headers = headers;
    o.header_count = 2;
    struct gr_config config = config_of(&o);
    struct gr_exchange *exchange = gr_config_exchange(&config, 3);
    assert_true(has_header(exchange, "X-Tenant: a b"));
    assert_true(has_header(exchange, "Accept: application/json"));
    assert_true(exchange->timeout == 3);
    assert_true(exchange->connect_timeout == 3); /* no longer than the whole */
    assert_int_equal(exchange->max_body, 64 * 1024);
    gr_exchange_free(exchange);
    gr_config_clear(&config);
}

/* ---- the secret file ---- */

static struct gr_config config_with(const char *file)
{
    struct gr_options o = options_for("https://a.example/token");
    o.client_secret = NULL;
    o.secret_file = file;
    return config_of(&o);
}

/* What is read from the file; NULL: an error, which does not name the file. */
static char *read_secret(const char *file)
{
    struct gr_config config = config_with(file);
    struct stat stamp;
    struct gr_error error = {0};
    struct gr_secret *secret = gr_config_read_secret(&config, &stamp, &error);
    char *text = secret ? strndup(secret->bytes, secret->len) : NULL;
    if (!secret) {
        assert_int_equal(error.kind, GR_E_TOKEN);
        assert_string_equal(error.code, "secret_unreadable");
        assert_true(error.retryable);
        assert_null(strstr(error.message, folder));
    }
    gr_secret_free(secret);
    gr_config_clear(&config);
    return text;
}

static void check_secret(const char *bytes, size_t len, const char *expected)
{
    const char *path = path_of("secret");
    write_bytes(path, bytes, len);
    char *secret = read_secret(path);
    assert_true(!secret == !expected);
    assert_true(!secret || strcmp(secret, expected) == 0);
    free(secret);
    unlink(path);
}

static void line_ends_do_not_count(void **state)
{
    (void)state;
    check_secret("abc", 3, "abc");
    check_secret("abc\n", 4, "abc");
    check_secret("abc\r\n", 5, "abc");
    check_secret("abc\n\n", 5, "abc");
    check_secret(" abc ", 5, " abc ");
    check_secret("a\nb\n", 4, "a\nb");
    check_secret("", 0, NULL);
    check_secret("\n", 1, NULL);
    check_secret("\r\n\r\n", 4, NULL);
}

static void bytes_of_any_kind_count(void **state)
{
    const char *path = path_of("binary");
    struct stat stamp;
    struct gr_error error;
    (void)state;
    write_bytes(path, "a\0b\0", 4);
    struct gr_config config = config_with(path);
    struct gr_secret *secret = gr_config_read_secret(&config, &stamp, &error);
    assert_non_null(secret);
    assert_int_equal(secret->len, 4);
    gr_secret_free(secret);
    gr_config_clear(&config);
    unlink(path_of("binary"));
}

static void secret_file_is_bounded(void **state)
{
    static char bytes[64 * 1024 + 2];
    (void)state;
    memset(bytes, 'x', sizeof bytes - 1);
    check_secret(bytes, 64 * 1024 + 1, NULL);
    bytes[64 * 1024] = '\0';
    check_secret(bytes, 64 * 1024, bytes);
}

static void what_is_not_a_file(void **state)
{
    (void)state;
    assert_null(read_secret(path_of("missing")));
    assert_null(read_secret(folder));
    assert_null(read_secret("/dev/zero"));
    assert_null(read_secret("/dev/null"));
    assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
    assert_null(read_secret(path_of("fifo"))); /* and does not wait for a writer */
    unlink(path_of("fifo"));
    if (geteuid() != 0) {
        write_text(path_of("closed"), "abc");
        chmod(path_of("closed"), 0);
        assert_null(read_secret(path_of("closed")));
        unlink(path_of("closed"));
    }
}

static void relative_path_stays_where_it_was(void **state)
{
    char before[PATH_MAX], whole[PATH_MAX];
    (void)state;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    struct gr_config config = config_with("relative");
    assert_int_equal(chdir("/"), 0);
    strcpy(whole, path_of("relative"));
    assert_string_equal(config.secret_file, whole);
    struct gr_config same = config_with(whole);
    assert_int_equal(gr_config_compare(&config, &same), 0);
    gr_config_clear(&same);
    gr_config_clear(&config);
    assert_int_equal(chdir(before), 0);

    static char too_long[PATH_MAX + 10];
    struct gr_options o = options_for("https://a.example/token");
    memset(too_long, 'a', sizeof too_long - 1);
    o.secret_file = too_long;
    assert_false(gr_config_init(&config, &o));
}

static void change_is_seen(void **state)
{
    char path[PATH_MAX];
    struct stat stamp;
    struct gr_error error;
    (void)state;
    strcpy(path, path_of("secret"));
    write_text(path, "abc");
    struct gr_config config = config_with(path);
    gr_secret_free(gr_config_read_secret(&config, &stamp, &error));
    assert_false(gr_config_secret_changed(&config, &stamp));
    pause_for(0.02);         /* the file system's clock is coarse */
    write_text(path, "abd"); /* of the same length */
    assert_true(gr_config_secret_changed(&config, &stamp));
    gr_secret_free(gr_config_read_secret(&config, &stamp, &error));
    assert_false(gr_config_secret_changed(&config, &stamp));
    write_text(path_of("next"), "abd"); /* replaced by another with the same bytes */
    rename(path_of("next"), path);
    assert_true(gr_config_secret_changed(&config, &stamp));
    unlink(path);
    assert_false(gr_config_secret_changed(&config, &stamp)); /* gone: the last value serves */
    gr_config_clear(&config);
}

static void change_behind_a_link_is_seen(void **state)
{
    char link[PATH_MAX], old[PATH_MAX], new[PATH_MAX];
    struct stat stamp;
    struct gr_error error;
    (void)state;
    strcpy(link, path_of("link"));
    strcpy(old, path_of("old"));
    strcpy(new, path_of("new"));
    write_text(old, "abc");
    write_text(new, "abd");
    assert_int_equal(symlink(old, link), 0);
    struct gr_config config = config_with(link);
    gr_secret_free(gr_config_read_secret(&config, &stamp, &error));
    unlink(link);
    assert_int_equal(symlink(new, link), 0);
    assert_true(gr_config_secret_changed(&config, &stamp));
    gr_config_clear(&config);
    unlink(link);
    unlink(old);
    unlink(new);
}

static int nothing_left(void **state)
{
    (void)state;
    return (int)gr_secret_count();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_that_tell_sources_apart),
        cmocka_unit_test(fields_that_do_not),
        cmocka_unit_test(order_of_params_does_not_matter),
        cmocka_unit_test(borders_between_fields),
        cmocka_unit_test_teardown(form_is_encoded, nothing_left),
        cmocka_unit_test_teardown(large_secrets_fit, nothing_left),
        cmocka_unit_test_teardown(basic_is_encoded_first, nothing_left),
        cmocka_unit_test(headers_and_limits),
        cmocka_unit_test_teardown(line_ends_do_not_count, nothing_left),
        cmocka_unit_test_teardown(bytes_of_any_kind_count, nothing_left),
        cmocka_unit_test_teardown(secret_file_is_bounded, nothing_left),
        cmocka_unit_test_teardown(what_is_not_a_file, nothing_left),
        cmocka_unit_test(relative_path_stays_where_it_was),
        cmocka_unit_test_teardown(change_is_seen, nothing_left),
        cmocka_unit_test_teardown(change_behind_a_link_is_seen, nothing_left),
    };
    return cmocka_run_group_tests_name("config", tests, make_folder, remove_folder);
}
