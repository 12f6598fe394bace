-- The pages of the reference: what is on each, and where its words are from.

local settings = require("groove.settings")
local sandbox = require("groove.sandbox")
local source = require("groove.source")
local comments = require("tools.reference.comments")
local objects = require("tools.reference.objects")
local options = require("tools.reference.options")
local rows = require("tools.reference.rows")

local M = {}

local function tags(head, ...)
    local lines = { head }
    for _, list in ipairs({ ... }) do
        for _, line in ipairs(options.tags("tparam", list, "opts")) do
            lines[#lines + 1] = line
        end
    end
    return lines
end

-- Options that are written down as data take the place of what a comment says of `opts`.
local OPTIONS = {
    ["groove.token_source"] = tags("@tparam table opts `token_url` is needed.", source.options),
    ["groove.new"] = tags("@tparam[opt] table opts Those of `groove.token_source`, and these:",
        settings.options, settings.call_defaults),
    ["groove.sandbox"] = tags("@tparam[opt] table opts", sandbox.options),
    ["client:with"] = tags("@tparam table opts", settings.call_defaults),
    ["sandbox:user_token"] = tags("@tparam[opt] table opts", sandbox.user_options),
    ["groove.nginx.setup"] = { "@tparam table opts Those of `groove.token_source`, and @{opts}." },
    ["groove.nginx.broker"] = { "@tparam[opt] table opts @{broker_opts}" },
    ["sandbox:fault"] = tags("@tparam table opts `on` is needed.", sandbox.fault_options),
}

-- Files by the word that stands for them below.
local FILES = {}
for _, name in ipairs({ "init", "client", "source", "static", "call", "links", "errors",
    "sandbox/init", "metrics", "nginx/init" }) do
    FILES[name:gsub("/init", "")] = "lua/groove/" .. name .. ".lua"
end

local function read(file)
    if type(FILES[file]) == "string" then
        FILES[file] = comments.read(FILES[file])
    end
    return FILES[file]
end

-- { "groove.new", "client", "M.new" }: shown as the first, commented in the second as the third.
local function commented(entry)
    local name, file, key = entry[1], entry[2], entry[3] or entry[1]
    local comment = assert(read(file)[key], key .. " has no doc comment in " .. file)
    return comments.shown(comment, name, OPTIONS[name])
end

local function methods(shown, file, key, names)
    local list = {}
    for i, name in ipairs(names) do
        list[i] = commented({ shown .. name, file, key .. name })
    end
    return list
end

local function section(name, title, ...)
    local text = { ("--- %s\n-- @section %s\n"):format(title, name) }
    for _, list in ipairs({ ... }) do
        for _, comment in ipairs(list) do
            text[#text + 1] = comment
        end
    end
    return table.concat(text, "\n")
end

local function each(list, fn)
    local out = {}
    for i, value in ipairs(list) do
        out[i] = fn(value)
    end
    return out
end

-- The head of a page.
local function head(kind, name, words)
    local lines = each(words, tostring)
    lines[#lines + 1] = ("@%s %s"):format(kind, name)
    return comments.text(lines, "")
end

local function words_of(file)
    local lines = {}
    for _, line in ipairs(read(file).module) do
        if not line:find("^@module") then
            lines[#lines + 1] = line
        end
    end
    return lines
end

local function groove()
    return head("module", "groove", words_of("init"))
        .. section("clients", "Clients and tokens", each({
            { "groove.new", "client", "M.new" },
            { "groove.token_source", "source", "M.new" },
            { "groove.static_token", "static", "M.new" },
            { "groove.sandbox", "sandbox", "M.new" },
        }, commented))
        .. section("links", "Pictures and pages", each({
            { "groove.image_url", "links", "M.image_url" },
            { "groove.deep_link", "links", "M.deep_link" },
        }, commented))
        .. section("loop", "The event loop", each({
            { "groove.dispatch", "call", "M.dispatch" },
            { "groove.fd", "init" },
            { "groove.shutdown", "init" },
        }, commented))
        .. section("numbers", "Numbers", each({
            { "groove.metrics", "metrics", "M.render" },
        }, commented))
end

local WAITS = { "token", "authorization", "refresh", "wait_ready" }

local function client()
    return head("classmod", "client", {
        "A client of the Groove API: `groove.new`, or `sandbox:client`.",
        "",
        "Each method returns its value, or `nil` and an @{errors.err|error}; where the service "
            .. "answers with results",
        "and an error, both. Each has a form that returns a @{call} at once: "
            .. "`client.async:search(...)`.",
        "Wrong types, unknown options and use after `close` raise, at the caller's line.",
    })
        .. section("catalogue", "What an application may ask", each(rows.order.app, rows.comment))
        .. section("user", "What belongs to a user", each(rows.order.user, rows.comment))
        .. section("options", "Options", { rows.options() })
        .. section("lists", "Lists", methods("client:", "client", "methods:", { "each" }),
            methods("client:", "client", "client:", { "next_page", "collect" }))
        .. section("requests", "Requests by other means",
            methods("client:", "client", "client:", { "build" }),
            methods("client:", "client", "methods:", { "parse" }),
            methods("client:", "client", "client:", { "send" }))
        .. section("handle", "The client and its token",
            methods("client:", "client", "methods:", { "with" }),
            methods("client:", "source", "M.prepare.", WAITS),
            methods("client:", "client", "methods:", { "info", "invalidate", "close", "closed" }))
end

local function source_page()
    return head("classmod", "source", {
        "A source of tokens: `groove.token_source`.",
        "",
        "What may have to wait has a form that returns a @{call} at once: `source.async:token()`.",
    })
        .. section("waits", "What may have to wait",
            methods("source:", "source", "M.prepare.", WAITS),
            methods("source:", "source", "M.prepare.", { "fetch" }))
        .. section("handle", "The token at hand", methods("source:", "source", "methods:",
            { "peek", "info", "invalidate", "adopt", "closed", "close" }))
end

local function static_page()
    return head("classmod", "static", {
        "A static token: `groove.static_token`.",
        "",
        "It has the methods of a @{source}. What is different:",
    }) .. section("methods", "Methods",
        methods("static:", "static", "methods:", { "info", "invalidate", "adopt", "close" }))
end

local function call_page()
    return head("classmod", "call", {
        "A call under way: what the methods of `client.async` and `source.async` return.",
    }) .. section("methods", "Methods",
        methods("call:", "call", "methods:", { "done", "result", "wait", "cancel", "on_done" }))
end

local function sandbox_page()
    return head("classmod", "sandbox", words_of("sandbox"))
        .. section("methods", "Methods", methods("sandbox:", "sandbox", "methods:", {
            "client", "options", "user_token", "fault", "set_lifetime", "log", "stop",
        }), methods("fault:", "sandbox", "fault_methods:", { "clear" }))
end

local function nginx_page()
    return head("module", "nginx", words_of("nginx"))
        .. section("requests", "The request's token", methods("groove.nginx.", "nginx", "M.",
            { "setup", "authorize", "authorization", "observe" }))
        .. section("handlers", "Content handlers", methods("groove.nginx.", "nginx", "M.",
            { "broker", "metrics", "status_page" }))
        .. section("options", "Options", {
            objects.comment("NginxOptions", "opts"),
            objects.comment("BrokerOptions", "broker_opts"),
        })
end

local function errors_page()
    return head("module", "errors", { "What went wrong: the second value of what returns `nil`." })
        .. section("fields", "Errors", { objects.comment("Error", "err") })
end

local function objects_page()
    return head("module", "objects", {
        "What is returned: the service's objects, with the wire's names, and the module's own.",
        "",
        "A member that the service leaves out, or answers null for, is nil.",
    })
        .. section("service", "Of the service", each(objects.service, objects.comment))
        .. section("own", "Of the module", each(objects.own, objects.comment))
end

--- The pages: what their files hold, by name.
-- @treturn table
function M.make()
    return {
        groove = groove(), client = client(), source = source_page(), static = static_page(),
        call = call_page(), nginx = nginx_page(), sandbox = sandbox_page(),
        errors = errors_page(), objects = objects_page(),
    }
end

--- The order of the pages.
M.order = {
    "groove", "client", "source", "static", "call", "nginx", "sandbox", "errors", "objects",
}

return M
