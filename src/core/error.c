#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *gr_kind_name(enum gr_kind kind)
{
    switch (kind) {
    case GR_OK: return "ok";
    case GR_E_ARGUMENT: return "argument";
    case GR_E_PENDING: return "pending";
    case GR_E_TOKEN: return "token";
    case GR_E_TRANSPORT: return "transport";
    case GR_E_TIMEOUT: return "timeout";
    case GR_E_CANCELLED: return "cancelled";
    }
    return "unknown";
}

/* A file name in a message may hold anything: a log line has to stay one line. */
static void flatten(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = ' ';
    }
}

/* Half a UTF-8 sequence at the end would make a JSON log of the message invalid. */
static void drop_last_sequence(char *text, size_t len)
{
    while (len > 0 && ((unsigned char)text[len - 1] & 0xc0) == 0x80)
        len--;
    if (len > 0 && (unsigned char)text[len - 1] >= 0xc0)
        len--;
    text[len] = '\0';
}

void gr_error_set(struct gr_error *err, enum gr_kind kind, const char *code, int status,
                  bool retryable, const char *format, ...)
{
    va_list args;
    int len;

    *err = (struct gr_error){.kind = kind,
                             .status = status,
                             .retryable = retryable,
                             .retry_after = -1};
    snprintf(err->code, sizeof err->code, "%s", code);
    va_start(args, format);
    len = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (len >= (int)sizeof err->message)
        drop_last_sequence(err->message, sizeof err->message - 1);
    flatten(err->message);
}
