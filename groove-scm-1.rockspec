rockspec_format = "3.0"
package = "groove"
version = "scm-1"

source = {
    url = "git+file://.", -- `luarocks make` builds the folder it stands in
}

description = {
    summary = "OAuth 2.0 tokens, always ready; and the Groove Music API.",
    detailed = [[
        Keeps an OAuth 2.0 access token ready at all times: renewed in the background by one I/O
        thread, one request for any number of callers. Builds and sends Groove Music API requests
        with it, and brings a stand-in for the service.]],
    license = "MIT",
    labels = { "oauth2", "http", "async", "music" },
}

supported_platforms = { "linux" }

dependencies = {
    "lua >= 5.4",
    "lua-cjson >= 2.1",
}

external_dependencies = {
    -- no header: Debian keeps it where the compiler looks and luarocks does not
    CURL = { library = "curl" },
    JANSSON = { header = "jansson.h", library = "jansson" },
}

build = {
    type = "builtin",
    modules = {
        ["groove.core"] = {
            sources = {
                "src/binding/compat.c",
                "src/binding/core.c",
                "src/binding/fields.c",
                "src/binding/op.c",
                "src/binding/process.c",
                "src/binding/source.c",
                "src/core/answer.c",
                "src/core/attempt.c",
                "src/core/clock.c",
                "src/core/config.c",
                "src/core/engine.c",
                "src/core/error.c",
                "src/core/exchange.c",
                "src/core/hot.c",
                "src/core/lifecycle.c",
                "src/core/op.c",
                "src/core/policy.c",
                "src/core/port.c",
                "src/core/prefetch.c",
                "src/core/process.c",
                "src/core/secret.c",
                "src/core/source.c",
                "src/core/step.c",
                "src/core/tally.c",
                "src/core/timers.c",
                "src/core/url.c",
            },
            defines = { "_GNU_SOURCE" },
            incdirs = { "src/core", "$(CURL_INCDIR)", "$(JANSSON_INCDIR)" },
            libdirs = { "$(CURL_LIBDIR)", "$(JANSSON_LIBDIR)" },
            libraries = { "curl", "jansson", "pthread" },
        },
        ["groove"] = "lua/groove/init.lua",
        ["groove.address"] = "lua/groove/address.lua",
        ["groove.batch"] = "lua/groove/batch.lua",
        ["groove.body"] = "lua/groove/body.lua",
        ["groove.call"] = "lua/groove/call.lua",
        ["groove.check"] = "lua/groove/check.lua",
        ["groove.client"] = "lua/groove/client.lua",
        ["groove.encode"] = "lua/groove/encode.lua",
        ["groove.endpoints"] = "lua/groove/endpoints.lua",
        ["groove.endpoints.catalog"] = "lua/groove/endpoints/catalog.lua",
        ["groove.endpoints.shared"] = "lua/groove/endpoints/shared.lua",
        ["groove.endpoints.user"] = "lua/groove/endpoints/user.lua",
        ["groove.errors"] = "lua/groove/errors.lua",
        ["groove.events"] = "lua/groove/events.lua",
        ["groove.host"] = "lua/groove/host.lua",
        ["groove.links"] = "lua/groove/links.lua",
        ["groove.metrics"] = "lua/groove/metrics.lua",
        ["groove.nginx"] = "lua/groove/nginx/init.lua",
        ["groove.nginx.answer"] = "lua/groove/nginx/answer.lua",
        ["groove.nginx.board"] = "lua/groove/nginx/board.lua",
        ["groove.nginx.broker"] = "lua/groove/nginx/broker.lua",
        ["groove.nginx.exporter"] = "lua/groove/nginx/exporter.lua",
        ["groove.nginx.fingerprint"] = "lua/groove/nginx/fingerprint.lua",
        ["groove.nginx.hook"] = "lua/groove/nginx/hook.lua",
        ["groove.nginx.phases"] = "lua/groove/nginx/phases.lua",
        ["groove.nginx.status"] = "lua/groove/nginx/status.lua",
        ["groove.nginx.store"] = "lua/groove/nginx/store.lua",
        ["groove.pages"] = "lua/groove/pages.lua",
        ["groove.request"] = "lua/groove/request.lua",
        ["groove.response"] = "lua/groove/response.lua",
        ["groove.sandbox"] = "lua/groove/sandbox/init.lua",
        ["groove.sandbox.body"] = "lua/groove/sandbox/body.lua",
        ["groove.sandbox.browse"] = "lua/groove/sandbox/browse.lua",
        ["groove.sandbox.catalogue"] = "lua/groove/sandbox/catalogue.lua",
        ["groove.sandbox.codes"] = "lua/groove/sandbox/codes.lua",
        ["groove.sandbox.collection"] = "lua/groove/sandbox/collection.lua",
        ["groove.sandbox.content"] = "lua/groove/sandbox/content.lua",
        ["groove.sandbox.countries"] = "lua/groove/sandbox/countries.lua",
        ["groove.sandbox.dates"] = "lua/groove/sandbox/dates.lua",
        ["groove.sandbox.discovery"] = "lua/groove/sandbox/discovery.lua",
        ["groove.sandbox.edits"] = "lua/groove/sandbox/edits.lua",
        ["groove.sandbox.faults"] = "lua/groove/sandbox/faults.lua",
        ["groove.sandbox.index"] = "lua/groove/sandbox/index.lua",
        ["groove.sandbox.inside"] = "lua/groove/sandbox/inside.lua",
        ["groove.sandbox.launch"] = "lua/groove/sandbox/launch.lua",
        ["groove.sandbox.library"] = "lua/groove/sandbox/library.lua",
        ["groove.sandbox.lists"] = "lua/groove/sandbox/lists.lua",
        ["groove.sandbox.log"] = "lua/groove/sandbox/log.lua",
        ["groove.sandbox.names"] = "lua/groove/sandbox/names.lua",
        ["groove.sandbox.nginx"] = "lua/groove/sandbox/nginx.lua",
        ["groove.sandbox.objects"] = "lua/groove/sandbox/objects.lua",
        ["groove.sandbox.orders"] = "lua/groove/sandbox/orders.lua",
        ["groove.sandbox.paging"] = "lua/groove/sandbox/paging.lua",
        ["groove.sandbox.params"] = "lua/groove/sandbox/params.lua",
        ["groove.sandbox.radio"] = "lua/groove/sandbox/radio.lua",
        ["groove.sandbox.routes"] = "lua/groove/sandbox/routes.lua",
        ["groove.sandbox.seal"] = "lua/groove/sandbox/seal.lua",
        ["groove.sandbox.server"] = "lua/groove/sandbox/server.lua",
        ["groove.sandbox.shelves"] = "lua/groove/sandbox/shelves.lua",
        ["groove.sandbox.sources"] = "lua/groove/sandbox/sources.lua",
        ["groove.sandbox.streams"] = "lua/groove/sandbox/streams.lua",
        ["groove.sandbox.text"] = "lua/groove/sandbox/text.lua",
        ["groove.sandbox.tls"] = "lua/groove/sandbox/tls.lua",
        ["groove.sandbox.token"] = "lua/groove/sandbox/token.lua",
        ["groove.sandbox.tone"] = "lua/groove/sandbox/tone.lua",
        ["groove.sandbox.users"] = "lua/groove/sandbox/users.lua",
        ["groove.sandbox.xml"] = "lua/groove/sandbox/xml.lua",
        ["groove.settings"] = "lua/groove/settings.lua",
        ["groove.source"] = "lua/groove/source.lua",
        ["groove.static"] = "lua/groove/static.lua",
        ["groove.token"] = "lua/groove/token.lua",
        ["groove.transfer"] = "lua/groove/transfer.lua",
    },
}
