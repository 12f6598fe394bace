-- What a program gives a method, and the request that becomes of it. Input: the method's name, then
-- a line for each argument, "KEY TYPE VALUE". KEY: the position; "@name" for a default of the
-- client's; "name" for a field, or an option. TYPE: s (a string, percent-encoded), l (a list of
-- them, "+" between them), n (a number), b (a boolean), f (a function), t (a table). All that is no
-- such line is passed over. The method "send" is client:send, "?name" being a value of its query.

package.path = "tests/fuzz/?.lua;" .. package.path

local cjson = require("cjson")
local endpoints = require("groove.endpoints")
local groove = require("groove")
local support = require("support")

local TOKEN = "EgCinvented/app+token=="
local ORIGIN = "https://music.example"
local INSTANCE = ("i"):rep(32)

local names = {}
for name in pairs(endpoints.rows) do
    names[#names + 1] = name
end
table.sort(names)

local sent

local client = groove.new({
    api_url = ORIGIN .. "/base/", user_token = TOKEN, client_instance_id = INSTANCE,
    transport = function(message)
        sent = message
        return { status = 204 }
    end,
})

-- --- the input -----------------------------------------------------------------------------------

local READ = {}

READ.s = support.unescape

function READ.l(text)
    local list = {}
    for i, item in ipairs(text == "" and {} or support.split(text, "+")) do
        list[i] = support.unescape(item)
    end
    return list
end

local NUMBERS = { nan = 0 / 0, inf = math.huge, ["-inf"] = -math.huge }

function READ.n(text)
    return NUMBERS[text] or tonumber(text) or #text
end

function READ.b(text)
    return text == "true"
end

function READ.f()
    return error
end

function READ.t(text)
    return { [text] = text }
end

-- The method, its arguments by position, what was given by name, the client's defaults.
local function read(input)
    local lines = support.split(input, "\n")
    local name = lines[1]
    local row = endpoints.rows[name]
    if not row and name ~= "send" then
        name = names[#name % #names + 1]
        row = endpoints.rows[name]
    end
    local positional, named, defaults = {}, {}, {}
    for i = 2, #lines do
        local key, kind, text = lines[i]:match("^(%S+) (%l) ?(.*)$")
        if READ[kind] then
            local value = READ[kind](text)
            if tonumber(key) and tonumber(key) >= 1 and tonumber(key) <= 4 then
                positional[math.floor(tonumber(key))] = value
            elseif key:sub(1, 1) == "@" then
                defaults[key:sub(2)] = value
            else
                named[key] = value
            end
        end
    end
    return name, row, positional, named, defaults
end

-- Where the fields of a table are an argument, they are told from options by their names.
local function arranged(row, positional, named)
    if not row.takes then
        positional[#(row.args or {}) + 1] = positional[#(row.args or {}) + 1] or named
        return positional
    end
    local fields, options = {}, {}
    local own = {}
    for _, part in ipairs(row.body) do
        own[part.name] = true
    end
    for name, value in pairs(named) do
        (own[name] and fields or options)[name] = value
    end
    return { positional[1] or fields, positional[2] or options }
end

-- --- the request ---------------------------------------------------------------------------------

local function check_grammar(url, is_free)
    assert(url:sub(1, #ORIGIN + 6) == ORIGIN .. "/base/", "another origin")
    local rest = url:sub(#ORIGIN + 1)
    assert(not rest:find("[^A-Za-z0-9%-._~!$&'()*+,;=:@/?%%]"), "a byte that no URL may hold")
    assert(not rest:gsub("%%%x%x", ""):find("%", 1, true), "a % that begins no byte")
    local path, query = rest:match("^([^?]*)%??([^?]*)$")
    assert(path, "two question marks")
    for _, segment in ipairs(support.split(path:sub(2), "/")) do
        local plain = support.unescape(segment)
        assert(plain ~= "." and plain ~= "..", "a segment that leads elsewhere")
        assert(is_free or plain ~= "", "an empty segment")
    end
    return path, query
end

local function check_headers(headers)
    for name, value in pairs(headers) do
        assert(name:find("^[%w-]+$"), "no header's name")
        assert(not value:find("[%z\1-\8\10-\31\127]"), "a control character in a header")
    end
end

local function joined(value)
    return type(value) == "table" and table.concat(value, "+") or value
end

local function check_value(parameter, text, value)
    if parameter.type == "integer" then
        assert(text:find("^%d+$") and tonumber(text) == value, "another number")
    elseif parameter.type == "list" then
        -- empty items are left out
        local wanted = joined(value):gsub("%++", "+"):gsub("^%+", ""):gsub("%+$", "")
        assert(text == wanted, "another list")
    else
        assert(support.unform(text) == value, "another text")
    end
end

local function fields_of(query)
    local fields = {}
    for _, pair in ipairs(query == "" and {} or support.split(query, "&")) do
        local name, value = pair:match("^(%w+)=([^=]*)$")
        assert(name, "no pair of a query")
        assert(fields[name] == nil, "a parameter that stands there twice")
        fields[name] = value
    end
    return fields
end

local function check_query(row, query, given, defaults)
    local fields = fields_of(query)
    for _, list in ipairs({ row.params, endpoints.common }) do
        for _, parameter in ipairs(list) do
            local text, value = fields[parameter.wire], given[parameter.name]
            local excused = given[parameter.required_unless or 0] ~= nil
            fields[parameter.wire] = nil
            if value ~= nil and not excused then
                assert(text, "a parameter is missing")
                check_value(parameter, text, value)
            elseif text then
                local by_default = defaults[parameter.default_from]
                    or parameter.name == "client_instance_id" and INSTANCE
                check_value(parameter, text, by_default)
            end
        end
    end
    assert(next(fields) == nil, "a parameter that nobody gave")
end

local function check_path(row, path, given)
    local template = support.split(row.path:gsub("{namespace}", endpoints.namespace), "/")
    local pieces = support.split(path:gsub("^/base", ""), "/")
    assert(#pieces == #template, "another depth")
    for i, piece in ipairs(pieces) do
        local name = template[i]:match("^{(.*)}$")
        local value = name and given[name]
        if value == nil then
            value = name and row.segments[name].default or template[i]
        end
        assert(support.unescape(piece) == joined(value), "another segment")
    end
end

local function check_body(row, body, given)
    assert((body ~= nil) == (row.body ~= nil), "a body too many, or none")
    local object = body and cjson.decode(body)
    for _, part in ipairs(row.body or {}) do
        local value = given[part.name]
        if part.type == "ids" and part.wire then
            value = type(value) == "table" and value or { value }
        end
        if value ~= nil and part.wire then
            assert(support.same(object[part.wire], value), "another part of the body")
        elseif value ~= nil and part.seed then
            assert(object.Seeds[1].Id == value, "another seed")
        end
    end
end

-- All that was given, by name.
local function given_of(row, arguments)
    local given = {}
    local count = row.takes and 1 or #(row.args or {})
    for i, name in ipairs(row.args or {}) do
        given[name] = arguments[i]
    end
    for _, all in ipairs({ row.takes and arguments[1] or {}, arguments[count + 1] or {} }) do
        for name, value in pairs(all) do
            given[name] = value
        end
    end
    return given
end

local function check_token(built, query, given, defaults)
    local token = given.user_token or given.user_token == nil and defaults.user_token or TOKEN
    if defaults.token_in ~= "query" then
        assert(built.headers.Authorization == "Bearer " .. token, "another token")
        return query
    end
    local rest, text = query:match("^(.-)&?accessToken=([^&]*)$")
    assert(built.headers.Authorization == nil, "two tokens")
    assert(support.unescape(text) == "Bearer " .. token, "another token in the query")
    return rest
end

local function check_request(row, built, arguments, defaults)
    local given = given_of(row, arguments)
    assert(built.method == row.method, "another method")
    local path, query = check_grammar(built.url)
    check_headers(built.headers)
    check_path(row, path, given)
    query = check_token(built, query, given, defaults)
    check_query(row, query, given, defaults)
    check_body(row, built.body, given)
end

-- --- client:send ---------------------------------------------------------------------------------

-- The fields of a query are given as "?name".
local function free_options(named)
    local options = {}
    for key, value in pairs(named) do
        if key:sub(1, 1) == "?" then
            options.query = options.query or {}
            options.query[support.unescape(key:sub(2))] = value
        else
            options[key] = value
        end
    end
    return options
end

local function free_text(value)
    if type(value) ~= "table" then
        return type(value) ~= "number" and tostring(value) or nil
    end
    return table.concat(value, " ") -- "+" between the items is a space to whoever reads a query
end

-- The query holds what was given, and no more than that and the client's defaults.
local function check_free_query(query, given, defaults, in_query)
    local found = {}
    for _, pair in ipairs(query == "" and {} or support.split(query, "&")) do
        local name, value = pair:match("^([^=]*)=([^=]*)$")
        assert(name, "no pair of a query")
        name = support.unform(name)
        assert(found[name] == nil, "a parameter that stands there twice")
        found[name] = support.unform(value)
    end
    for name, value in pairs(given) do
        local text = free_text(value)
        assert(found[name] and (text == nil or text == found[name]), "another value")
        found[name] = nil
    end
    for name, value in pairs(found) do
        assert(defaults[name] == value or in_query and name == "accessToken", "nobody gave that")
    end
end

local function check_sent(options, defaults)
    local in_query = defaults.token_in == "query"
    local path, query = check_grammar(sent.url, true)
    check_headers(sent.headers)
    assert(path == "/base" .. options.path, "another path")
    assert((sent.headers.Authorization == nil) == in_query, "no token, or two")
    assert(sent.method == (options.method or "GET"), "another method")
    check_free_query(query, options.query or {}, defaults, in_query)
end

-- --- an input ------------------------------------------------------------------------------------

local SECRETS = { TOKEN }

-- What was raised is for the program's author: with this file's position, and nothing of a token.
local function check_raised(problem, method)
    assert(type(problem) == "string", "raised something that is no text")
    assert(problem:find("^tests/fuzz/arguments%.lua:%d+: client:" .. method), problem)
    for _, secret in ipairs(SECRETS) do
        assert(not problem:find(secret, 1, true), "raised with a token")
    end
end

local function with_defaults(defaults)
    local ok, own, err = pcall(function()
        local made, problem = client:with(defaults)
        return made, problem
    end)
    if not ok then
        return check_raised(own, "with")
    elseif not own then
        return support.check_error(err, SECRETS)
    end
    return own
end

local function run_send(own, named, defaults)
    local options = free_options(named)
    local before = support.copy(options)
    sent = nil
    local ok, value, err = pcall(function()
        local answer, problem = own:send(options)
        return answer, problem
    end)
    assert(support.same(options, before), "the options have been changed")
    if not ok then
        check_raised(value, "send")
    elseif err then
        support.check_error(err, SECRETS)
    else
        check_sent(options, defaults)
    end
end

local function run_build(own, name, row, arguments, defaults)
    local before = support.copy(arguments)
    local ok, built, err = pcall(function()
        local made, problem = own:build(name, arguments[1], arguments[2], arguments[3],
            arguments[4])
        return made, problem
    end)
    assert(support.same(arguments, before), "the arguments have been changed")
    if not ok then
        check_raised(built, "build")
    elseif not built then
        support.check_error(err, SECRETS)
    else
        check_request(row, built, arguments, defaults)
    end
end

return function(input)
    local name, row, positional, named, defaults = read(input)
    local own = with_defaults(defaults)
    if own and name == "send" then
        run_send(own, named, defaults)
    elseif own then
        run_build(own, name, row, arranged(row, positional, named), defaults)
    end
end
