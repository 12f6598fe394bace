--- Requests: from a row of the endpoints and a program's arguments to what goes on the wire.
--
-- Two steps, so that a retry or a renewed token repeats only the second: `plan` checks the
-- arguments and makes the targets (path and query); `authorize` adds the token.
--
-- @module groove.request

local body = require("groove.body")
local check = require("groove.check")
local encode = require("groove.encode")
local endpoints = require("groove.endpoints")
local errors = require("groove.errors")

local M = {}

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
        encode = encode.encoder(parameter),
        rules = (parameter.exclusive or parameter.only_with or parameter.needs) and parameter,
        required = parameter.required,
        required_unless = parameter.required_unless,
        default_from = parameter.default_from or "",
        needed = parameter.required or parameter.required_unless,
    }
end

local function compile_query(row)
    local query = {}
    for _, after in ipairs({ false, true }) do
        for _, list in ipairs({ row.params, after and {} or endpoints.common }) do
            for _, parameter in ipairs(list) do
                if (parameter.after or false) == after then
                    query[#query + 1] = compile_parameter(parameter)
                end
            end
        end
    end
    return query
end

-- The ids of a request; of several, a list, with as many in each as the limit admits.
local function batches(ids, limit)
    local list, length = {}, limit
    for _, id in ipairs(type(ids) == "table" and ids or { ids }) do
        local segment, problem = encode.segment(id)
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
    if #list == 0 then
        return nil, "must be at least one id"
    end
    return list[2] and list or list[1]
end

local function ids_encoder(segment)
    local limit = segment.max_length
    return function(ids)
        if type(ids) == "string" and #ids <= limit then
            return encode.segment(ids)
        end
        return batches(ids, limit)
    end
end

-- The path as pieces: texts, and the segments between them.
local function compile_path(row)
    local path = row.path:gsub("{namespace}", endpoints.namespace)
    local pieces, position = {}, 1
    for from, name, to in path:gmatch("(){([%a_]+)}()") do
        pieces[#pieces + 1] = path:sub(position, from - 1)
        local segment = row.segments[name]
        pieces[#pieces + 1] = {
            name = name,
            encode = (segment.type == "ids" and ids_encoder or encode.encoder)(segment),
        }
        position = to
    end
    pieces[#pieces + 1] = path:sub(position)
    return pieces
end

-- What may be given by name, and the positional arguments, apart.
local function compile_arguments(row, compiled)
    local segments = {}
    for _, segment in pairs(row.segments or {}) do
        segments[#segments + 1] = segment
        compiled.defaults[segment.name] = segment.default
    end
    local types = check.index(row.params, segments, row.body or {})
    compiled.options = check.index(row.params, endpoints.common, segments, M.call_options)
    for i, name in ipairs(row.args or {}) do
        local descriptor = types[name]
        compiled.args[i] = {
            name = name, type = descriptor.type, optional = descriptor.required_unless ~= nil,
        }
        compiled.options[name] = nil
    end
    compiled.fields = row.takes and check.index(row.body)
    compiled.count = row.takes and 1 or #compiled.args
end

local function compile(row)
    local compiled = {
        row = row,
        args = {},
        defaults = {},
        query = compile_query(row),
        pieces = compile_path(row),
    }
    compile_arguments(row, compiled)
    return compiled
end

local compiled_rows = {}

-- A row made ready for use.
local function compiled_of(row)
    local compiled = compiled_rows[row]
    if not compiled then
        compiled = compile(row)
        compiled_rows[row] = compiled
    end
    return compiled
end

-- The path of a call; where a list of ids had to be split, a list of paths.
local function path_of(pieces, values)
    local path, before, split = pieces[1], nil, nil
    for i = 2, #pieces, 2 do
        local piece = pieces[i]
        local text, problem = piece.encode(values[piece.name], values)
        if not text then
            return nil, errors.argument(piece.name, problem)
        elseif type(text) == "table" then
            before, split, path = path, text, pieces[i + 1]
        else
            path = path .. text .. pieces[i + 1]
        end
    end
    for n = 1, split and #split or 0 do
        split[n] = before .. split[n] .. path
    end
    return split or path
end

local function missing_text(parameter)
    if parameter.required_unless then
        return "is required, except with " .. parameter.required_unless
    elseif parameter.default_from ~= "" then
        return "is required: give it with the call, or once to groove.new"
    end
    return "is required"
end

-- What a continuation token continues has been said, and is not said again. In what the answer is
-- written is none of the list's.
local function contradiction(parameter, values)
    if values.continuation_token ~= nil and parameter.name ~= "continuation_token"
        and parameter.name ~= "format" and not parameter.required then
        return "cannot be given together with continuation_token, which stands for all that was "
            .. "asked"
    end
    return parameter.rules and encode.conflict(parameter.rules, values)
end

-- The value of a parameter; where it cannot be sent, nil and why.
local function value_of(parameter, values, defaults)
    local value = values[parameter.name]
    if parameter.required_unless and values[parameter.required_unless] ~= nil then
        -- A positional argument, so that programs like to give it nevertheless.
        return nil
    elseif value ~= nil then
        local problem = contradiction(parameter, values)
        if problem then
            return nil, problem
        end
        return value
    elseif parameter.required or values.continuation_token == nil then
        value = defaults[parameter.default_from]
    end
    if value == nil and parameter.needed then
        return nil, missing_text(parameter)
    end
    return value
end

-- "?a=b&c=d", or "".
local function query_of(list, values, defaults)
    local query, mark = "", "?"
    for i = 1, #list do
        local parameter = list[i]
        -- Most are neither given nor wanted, and shall cost nothing.
        if values[parameter.name] ~= nil or parameter.needed
            or defaults[parameter.default_from] ~= nil then
            local value, problem = value_of(parameter, values, defaults)
            local text
            if value ~= nil then
                text, problem = parameter.encode(value, values)
            end
            if problem then
                return nil, errors.argument(parameter.name, problem)
            elseif text then
                query, mark = query .. mark .. parameter.prefix .. text, "&"
            end
        end
    end
    return query
end

-- Of the one argument that is a table, its fields.
local function fields_of(compiled, where, positional)
    local name = compiled.row.takes
    check.argument(where, name, "table", positional[1])
    return check.options(where .. ": " .. name, compiled.fields, positional[1])
end

local function positional_of(compiled, where, positional)
    local arguments, list = {}, compiled.args
    for i = 1, #list do
        local argument = list[i]
        check.argument(where, argument.name, argument.type, positional[i], argument.optional)
        arguments[argument.name] = positional[i]
    end
    return arguments
end

-- Values of segments and parameters by name; those of the body; the options.
local function arguments_of(compiled, where, positional)
    local arguments = positional_of(compiled, where, positional)
    local fields = compiled.fields and fields_of(compiled, where, positional) or arguments
    local given = positional[compiled.count + 1]
    local options = check.options(where, compiled.options, given, arguments)
    for name, value in next, compiled.defaults do
        if arguments[name] == nil then
            arguments[name] = value
        end
    end
    return arguments, fields, options
end

--- The path of a row without segments.
-- @tparam table row
-- @treturn string
function M.path(row)
    return compiled_of(row).pieces[1]
end

-- What is sent over several requests.
local function split_query(plan, paths, query)
    plan.parts = {}
    for i = 1, #paths do
        plan.parts[i] = { path = paths[i], target = paths[i] .. query }
    end
    plan.path, plan.target = plan.parts[1].path, plan.parts[1].target
    return plan
end

local function split_body(plan, parts, query)
    local row = plan.row
    plan.json = parts[1].json
    if #parts > 1 then
        plan.parts = parts
        for i, part in ipairs(parts) do
            part.path = i > 1 and row.rest and M.path(endpoints.rows[row.rest]) or plan.path
            part.target = part.path .. query
        end
    end
    return plan
end

--- What a call will send, but for the token. Raises, at the caller's line, on wrong types and
-- unknown options; never changes what it is given.
--
-- A part is one request: `{ path, target, json, ids }`, `target` being the path with its query,
-- `json` a table to be sent as JSON, `ids` what it is about. A plan is its own part, and has
-- `parts` where it takes several.
-- @tparam string where the method's name in messages, "client:search"
-- @tparam table row of `endpoints.rows`
-- @tparam table defaults of the client: language, country, client_instance_id
-- @tparam table positional the arguments, options last
-- @treturn ?table `{ row, path, target, json, parts, needs_user, format }`
-- @treturn ?table the options; without a plan an error of kind "argument", for what the service
-- would refuse
function M.plan(where, row, defaults, positional)
    local compiled = compiled_of(row)
    local values, fields, options = arguments_of(compiled, where, positional)
    local path, err = path_of(compiled.pieces, values)
    if not path then
        return nil, err
    end
    local query, parts
    query, err = query_of(compiled.query, values, defaults)
    if query and row.body then
        parts, err = body.parts(row, fields)
    end
    if err then
        return nil, err
    end
    local split = type(path) == "table"
    local plan = {
        row = row,
        path = not split and path,
        target = not split and path .. query,
        needs_user = endpoints.needs_user(row, values.source),
        format = options.format and options.format:lower(),
    }
    if split then
        return split_query(plan, path, query), options
    elseif parts then
        return split_body(plan, parts, query), options
    end
    return plan, options
end

--- The target that continues a list: the same path, without any optional parameter.
-- @tparam string path
-- @tparam string continuation_token
-- @treturn string
function M.continuation(path, continuation_token)
    return path .. "?continuationToken=" .. encode.escape_query(continuation_token)
end

local ACCEPT = { xml = "application/xml", json = "application/json" }

--- A whole request.
-- @tparam string base the API's URL, without a slash at its end
-- @tparam table part `target` (path and query), `body` (a text)
-- @tparam string token
-- @tparam ?string token_in "query" for the accessToken parameter instead of the header
-- @tparam table plan its `format`, and `method` of its `row`
-- @treturn table `{ method, url, headers, body }`, headers by name
function M.authorize(base, part, token, token_in, plan)
    local target = part.target
    local headers = {
        Accept = ACCEPT[plan.format or "json"],
        ["Content-Type"] = part.body and "application/json" or nil,
    }
    if token_in == "query" then
        local mark = target:find("?", 1, true) and "&" or "?"
        target = target .. mark .. "accessToken=Bearer%20" .. encode.escape(token)
    else
        headers.Authorization = "Bearer " .. token
    end
    return { method = plan.row.method, url = base .. target, headers = headers, body = part.body }
end

--- The token of a request that `authorize` has made.
-- @tparam table message
-- @treturn ?string
function M.token_of(message)
    local header = message.headers and message.headers.Authorization
    if header then
        return header:match("^Bearer (.+)$")
    end
    local encoded = message.url:match("[?&]accessToken=Bearer%%20([^&]+)")
    return encoded and encode.unescape(encoded)
end

-- Requests to paths that no row describes (client:send).

local function free_text(value)
    if check.is("integer", value) and math.abs(value) < 2 ^ 53 then
        -- not "10.0", which some Luas would have
        return string.format("%d", value)
    end
    return encode.escape_query(tostring(value))
end

local function free_value(value)
    if type(value) == "table" then
        local items = {}
        for i = 1, #value do
            items[i] = free_text(value[i])
        end
        return table.concat(items, "+")
    end
    return free_text(value)
end

--- A query of a table, its names in alphabetical order.
-- @tparam table query values by name: a string, a number, a boolean, a list
-- @tparam table defaults added where `query` does not name them; not to a continuation
-- @treturn string "?a=b&c=d+e", or ""
function M.free_query(query, defaults)
    local names, parts = {}, {}
    local all = {}
    for _, source in ipairs({ query.continuationToken == nil and defaults or {}, query }) do
        for name, value in pairs(source) do
            names[#names + 1] = all[name] == nil and tostring(name) or nil
            all[name] = value
        end
    end
    table.sort(names)
    for i, name in ipairs(names) do
        parts[i] = encode.escape_query(name) .. "=" .. free_value(all[name])
    end
    return #parts > 0 and "?" .. table.concat(parts, "&") or ""
end

--- What keeps a path from being sent.
-- @tparam string path encoded already, as it shall stand on the wire
-- @treturn ?string
function M.path_problem(path)
    if not path:find("^/") then
        return "must begin with '/'"
    elseif path:gsub("%%%x%x", ""):find("[^A-Za-z0-9%-._~/+:@!$&'()*,;=]") then
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
