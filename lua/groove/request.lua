--- Requests: from a row of the endpoints and a program's arguments to what goes on the wire.
--
-- Two steps, so that a retry or a renewed token repeats only the second: `plan` checks the
-- arguments and makes the targets (path and query); `authorize` adds the token.
--
-- @module groove.request

local check = require("groove.check")
local endpoints = require("groove.endpoints")
local errors = require("groove.errors")

local M = {}

local HEX, QUERY_HEX = {}, {}
for byte = 0, 255 do
    local char = string.char(byte)
    HEX[char] = string.format("%%%02X", byte)
    QUERY_HEX[char] = char == " " and "+" or HEX[char]
end

local RESERVED = "[^A-Za-z0-9%-._~]"

--- Percent-encodes all but the unreserved characters (RFC 3986, 2.3).
-- @tparam string text
-- @treturn string
function M.escape(text)
    if not text:find(RESERVED) then
        return text
    end
    return (text:gsub(RESERVED, HEX))
end

--- The same for a value in a query, where a space is a "+".
-- @tparam string text
-- @treturn string
function M.escape_query(text)
    if not text:find(RESERVED) then
        return text
    end
    return (text:gsub(RESERVED, QUERY_HEX))
end

-- Characters of a UTF-8 text; of any other text, its bytes but the continuations.
local function characters(text)
    local _, continuations = text:gsub("[\128-\191]", "")
    return #text - continuations
end

local function allowed_values(parameter)
    local allowed = {}
    for _, value in ipairs(parameter.values) do
        allowed[value] = true
    end
    return allowed, "must be of " .. table.concat(parameter.values, ", ")
end

-- Encoders: a value of a parameter as it stands in the query, or nil and what is allowed.

local function integer_encoder(parameter)
    local min, max = parameter.min, parameter.max
    local text = max and "must be from " .. min .. " to " .. max or "must be at least " .. min
    return function(value)
        if value < min or max and value > max then
            return nil, text
        end
        return string.format("%d", value)
    end
end

local function list_encoder(parameter)
    local allowed, text = allowed_values(parameter)
    return function(value)
        local items = {}
        local joined = type(value) == "table" and table.concat(value, "+") or value
        for item in joined:gmatch("[^+]+") do
            if not allowed[item:lower()] then
                return nil, text
            end
            items[#items + 1] = item
        end
        if #items == 0 then
            return nil, text
        end
        return table.concat(items, "+")
    end
end

local function choice_encoder(parameter)
    local allowed, text = allowed_values(parameter)
    return function(value)
        if not allowed[value] then
            return nil, text
        end
        return value
    end
end

local function letters_encoder(parameter)
    local pattern = "^" .. ("%a"):rep(parameter.letters) .. "$"
    local text = "must be " .. parameter.letters .. " letters"
    return function(value)
        if not value:find(pattern) then
            return nil, text
        end
        return value
    end
end

local function text_encoder(parameter)
    local min, max = parameter.min_length or 0, parameter.max_length or math.huge
    local text = max < math.huge and "must have " .. min .. " to " .. max .. " characters"
        or "must not be empty"
    return function(value)
        if #value < min or #value > max and characters(value) > max
            or min > 1 and characters(value) < min then
            return nil, text
        end
        return M.escape_query(value)
    end
end

local function encoder(parameter)
    if parameter.type == "integer" then
        return integer_encoder(parameter)
    elseif parameter.type == "list" then
        return list_encoder(parameter)
    elseif parameter.values then
        return choice_encoder(parameter)
    elseif parameter.letters then
        return letters_encoder(parameter)
    end
    return text_encoder(parameter)
end

--- Options that every method takes besides its parameters.
M.call_options = {
    { name = "user_token", type = "user_token", secret = true, doc =
        "A user's token for this call: a string, a function or a source." },
    { name = "timeout", type = "seconds", default = 30, doc =
        "Of the whole call, with the token and repeats." },
}

local function compile_parameter(parameter)
    return {
        name = parameter.name,
        prefix = parameter.wire .. "=",
        encode = encoder(parameter),
        required = parameter.required,
        required_unless = parameter.required_unless,
        default_from = parameter.default_from,
    }
end

local function compile(row)
    local compiled = { row = row, query = {}, args = row.args or {}, options = nil }
    for _, list in ipairs({ row.params or {}, endpoints.common }) do
        for _, parameter in ipairs(list) do
            table.insert(compiled.query, compile_parameter(parameter))
        end
    end
    compiled.options = check.index(row.params or {}, endpoints.common, M.call_options)
    compiled.types = check.index(row.params or {})
    for _, name in ipairs(compiled.args) do
        compiled.options[name] = nil
        compiled.types[name] = compiled.types[name] or row.segments[name]
    end
    local path = row.path:gsub("{namespace}", endpoints.namespace)
    compiled.before, compiled.segment, compiled.after = path:match("^(.-){(%a+)}(.*)$")
    compiled.path = path
    return compiled
end

local compiled_rows = {}

--- A row made ready for use.
-- @tparam table row of `endpoints.rows`
-- @treturn table
function M.compiled(row)
    local compiled = compiled_rows[row]
    if not compiled then
        compiled = compile(row)
        compiled_rows[row] = compiled
    end
    return compiled
end

--- An id as a segment of a path.
-- @tparam string id
-- @treturn ?string
-- @treturn ?string what is wrong with it
function M.segment(id)
    if id == "" then
        return nil, "must not be empty"
    elseif id == "." or id == ".." then
        return nil, "must not be '.' or '..'"
    elseif id:find("%c") then
        return nil, "must not have control characters"
    end
    return M.escape(id)
end

-- The ids of one or several requests: as many in each as the limit admits.
local function batches(ids, limit)
    local list, length = {}, limit
    for _, id in ipairs(ids) do
        local segment, problem = M.segment(id)
        if not segment then
            return nil, "must be ids, each of which " .. problem
        elseif #id > limit then
            return nil, "must be ids of at most " .. limit .. " characters"
        end
        length = length + 1 + #id
        if length > limit then
            list[#list + 1], length = segment, #id
        else
            list[#list] = list[#list] .. "+" .. segment
        end
    end
    return list
end

-- The paths of a call: several only where a list of ids had to be split.
local function paths(compiled, value)
    if not compiled.segment then
        return { compiled.path }
    end
    local segments, problem
    if type(value) == "table" then
        segments, problem = batches(value, compiled.row.segments[compiled.segment].max_length)
    else
        local limit = compiled.row.segments[compiled.segment].max_length
        local segment
        segment, problem = M.segment(value)
        if limit and #value > limit then
            segment, problem = nil, "must be ids of at most " .. limit .. " characters"
        end
        segments = segment and { segment }
    end
    if not segments then
        return nil, problem
    elseif #segments == 0 then
        return nil, "must be at least one id"
    end
    for i, segment in ipairs(segments) do
        segments[i] = compiled.before .. segment .. compiled.after
    end
    return segments
end

-- A default of the client's. What a continuation token continues has been said; defaults would
-- only contradict it.
local function default_value(parameter, options, defaults)
    if parameter.required or options.continuation_token == nil then
        return defaults[parameter.default_from]
    end
end

local function missing(parameter, options)
    if parameter.required then
        return true
    end
    local other = parameter.required_unless
    return other and options[other] == nil
end

local function missing_text(parameter)
    if parameter.required_unless then
        return "is required, except with " .. parameter.required_unless
    elseif parameter.default_from then
        return "is required: give it with the call, or once to groove.new"
    end
    return "is required"
end

-- "?a=b&c=d", or "".
local function query_of(compiled, options, arguments, defaults)
    local query, mark, list = "", "?", compiled.query
    for i = 1, #list do
        local parameter = list[i]
        local value = arguments[parameter.name] or options[parameter.name]
        if value == nil and parameter.default_from then
            value = default_value(parameter, options, defaults)
        end
        if value ~= nil then
            local text, problem = parameter.encode(value)
            if not text then
                return nil, errors.argument(parameter.name, problem)
            end
            query, mark = query .. mark .. parameter.prefix .. text, "&"
        elseif missing(parameter, options) then
            return nil, errors.argument(parameter.name, missing_text(parameter))
        end
    end
    return query
end

local function checked_arguments(compiled, where, positional)
    local arguments = {}
    local names = compiled.args
    for i = 1, #names do
        local name = names[i]
        local descriptor = compiled.types[name]
        local value = positional[i]
        check.argument(where, name, descriptor.type, value, descriptor.required_unless ~= nil)
        arguments[name] = value
    end
    return arguments, check.options(where, compiled.options, positional[#names + 1])
end

--- What a call will send, but for the token. Raises, at the caller's line, on wrong types and
-- unknown options; never changes what it is given.
-- @tparam string where the method's name in messages, "client:search"
-- @tparam table row of `endpoints.rows`
-- @tparam table defaults of the client: language, country, client_instance_id
-- @tparam table positional the arguments, options last
-- @treturn ?table `{ method, targets, paths, format }`: `targets[i]` is `paths[i]` with its query
-- @treturn ?table the options; without a plan an error of kind "argument", for what the service
-- would refuse
function M.plan(where, row, defaults, positional)
    local compiled = M.compiled(row)
    local arguments, options = checked_arguments(compiled, where, positional)
    local list, problem = paths(compiled, arguments[compiled.segment])
    if not list then
        return nil, errors.argument(compiled.segment, problem)
    end
    local query, err = query_of(compiled, options, arguments, defaults)
    if not query then
        return nil, err
    end
    local targets = {}
    for i = 1, #list do
        targets[i] = list[i] .. query
    end
    return {
        method = row.method,
        targets = targets,
        paths = list,
        format = options.format,
    }, options
end

--- The target that continues a list: the same path, without any optional parameter.
-- @tparam string path
-- @tparam string continuation_token
-- @treturn string
function M.continuation(path, continuation_token)
    return path .. "?continuationToken=" .. M.escape_query(continuation_token)
end

local ACCEPT = { xml = "application/xml", json = "application/json" }

--- A whole request.
-- @tparam string base the API's URL, without a slash at its end
-- @tparam string target path and query
-- @tparam string token
-- @tparam ?string token_in "query" for the accessToken parameter instead of the header
-- @tparam table plan its `method`, `format`, `body` and `content_type`
-- @treturn table `{ method, url, headers, body }`, headers by name
function M.authorize(base, target, token, token_in, plan)
    local headers = { Accept = ACCEPT[plan.format or "json"], ["Content-Type"] = plan.content_type }
    if token_in == "query" then
        local mark = target:find("?", 1, true) and "&" or "?"
        target = target .. mark .. "accessToken=Bearer%20" .. M.escape(token)
    else
        headers.Authorization = "Bearer " .. token
    end
    return { method = plan.method, url = base .. target, headers = headers, body = plan.body }
end

-- Requests to paths that no row describes (client:send).

local function query_value(value)
    if type(value) == "table" then
        local items = {}
        for i = 1, #value do
            items[i] = M.escape_query(tostring(value[i]))
        end
        return table.concat(items, "+")
    end
    return M.escape_query(tostring(value))
end

--- A query of a table, its names in alphabetical order.
-- @tparam table query values by name: a string, a number, a boolean, a list
-- @tparam table defaults added where `query` does not name them
-- @treturn string "?a=b&c=d+e", or ""
function M.free_query(query, defaults)
    local names, parts = {}, {}
    local all = {}
    for _, source in ipairs({ defaults, query }) do
        for name, value in pairs(source) do
            names[#names + 1] = all[name] == nil and tostring(name) or nil
            all[name] = value
        end
    end
    table.sort(names)
    for i, name in ipairs(names) do
        parts[i] = M.escape_query(name) .. "=" .. query_value(all[name])
    end
    return #parts > 0 and "?" .. table.concat(parts, "&") or ""
end

--- What keeps a path from being sent.
-- @tparam string path encoded already, as it shall stand on the wire
-- @treturn ?string
function M.path_problem(path)
    if not path:find("^/") then
        return "must begin with '/'"
    elseif path:find("[^A-Za-z0-9%-._~/%%+:@!$&'()*,;=]") then
        return "must be percent-encoded, without a query"
    end
    for segment in path:gmatch("[^/]+") do
        local plain = segment:gsub("%%2[eE]", ".")
        if plain == "." or plain == ".." then
            return "must not hold '.' or '..' as a segment"
        end
    end
    return nil
end

return M
