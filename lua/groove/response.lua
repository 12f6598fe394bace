--- Answers of the API: decoding, and what an answer's error is.
--
-- @module groove.response

local core = require("groove.core")
local encode = require("groove.encode")
local errors = require("groove.errors")

local M = {}

local default_json

local function load_json()
    local found, cjson = pcall(require, "cjson")
    if not found then
        errors.pass_on(cjson)
        error("groove: decoding needs lua-cjson (Debian: lua-cjson), or the option json = "
            .. "{ decode, encode, null }", 0)
    end
    -- A copy with its own configuration: what the program sets on cjson does not matter here.
    cjson = cjson.new and cjson.new() or cjson
    return { decode = cjson.decode, encode = cjson.encode, null = cjson.null }
end

--- The JSON library: the client's, or lua-cjson, loaded at the first use.
-- @tparam ?table json `{ decode, encode, null }`
-- @treturn table
function M.json(json)
    if json then
        return json
    end
    default_json = default_json or load_json()
    return default_json
end

local drop_nulls

local function drop_from_array(array, count, null)
    local kept = 0
    for i = 1, count do
        local value = array[i]
        array[i] = nil
        if value ~= null then
            kept = kept + 1
            array[kept] = value
            drop_nulls(value, null)
        end
    end
end

function drop_nulls(value, null)
    if type(value) ~= "table" then
        return
    end
    local count = #value
    if count > 0 then
        drop_from_array(value, count, null)
        return
    end
    for name, member in pairs(value) do
        if member == null then
            value[name] = nil
        else
            drop_nulls(member, null)
        end
    end
end

--- Decodes a JSON text. A null reads as nil; in arrays it is left out.
-- @tparam string body
-- @tparam ?table json the client's library
-- @treturn ?table
-- @treturn ?string what is wrong; never the text
function M.decode(body, json)
    json = M.json(json)
    local ok, value = pcall(json.decode, body)
    if not ok then
        errors.pass_on(value)
    end
    if not ok or type(value) ~= "table" then
        return nil, "the answer is not JSON"
    end
    if json.null ~= nil and body:find("null", 1, true) then
        drop_nulls(value, json.null)
    end
    return value
end

local RETRYABLE = {
    [409] = true, [429] = true, [500] = true, [502] = true, [503] = true, [504] = true,
}

-- The value of a header, by its name in lower case; the first of several.
local function header(response, wanted)
    for name, value in pairs(response.headers or {}) do
        if type(name) == "string" and name:lower() == wanted then
            return tostring(type(value) == "table" and value[1] or value)
        end
    end
end

local RETRY_AFTER_MAX = 3600

--- The seconds that a Retry-After header asks for, 3,600 at most.
-- @tparam table response with `retry_after`, where the core has read the header, or `headers`, by
-- name in any case
-- @treturn ?number
function M.retry_after(response)
    if type(response.retry_after) == "number" then
        return math.min(response.retry_after, RETRY_AFTER_MAX)
    end
    local text = header(response, "retry-after")
    if not text then
        return nil
    end
    local seconds = tonumber(text:match("^%s*(%d+%.?%d*)%s*$"))
    local date = not seconds and core.date(text)
    seconds = date and date - core.time() or seconds
    return seconds and math.max(0, math.min(seconds, RETRY_AFTER_MAX))
end

local function string_of(value)
    return type(value) == "string" and value ~= "" and value or nil
end

-- A text of the service's, unless it echoes the token.
local function clean(text, secret, encoded_secret)
    if not text then
        return nil
    elseif secret and (text:find(secret, 1, true) or text:find(encoded_secret, 1, true)) then
        return nil
    end
    return errors.line(text)
end

local function code_of(text)
    if not text or #text > 64 or not text:find("^[A-Za-z0-9_%-]+$") then
        return nil
    end
    return (text:gsub("-", "_"))
end

--- The error that an `Error` object of the service stands for.
-- @tparam table object ErrorCode, Description, Message
-- @tparam table response `{ status, headers }`
-- @tparam ?string secret the token that was sent; a text with it in is dropped
-- @treturn table
function M.api_error(object, response, secret)
    local status = response.status
    local code = string_of(object.ErrorCode)
    local encoded = secret and encode.escape(secret)
    code = code_of(clean(code, secret, encoded))
    local description = clean(string_of(object.Description), secret, encoded)
    local message = clean(string_of(object.Message), secret, encoded)
    if description and message and description ~= message then
        message = description .. ": " .. message
    end
    return errors.new({
        kind = "api",
        code = code or string.format("HTTP_%d", status),
        status = status,
        message = message or description or string.format("the service answered %d", status),
        retryable = RETRYABLE[status] or false,
        retry_after = M.retry_after(response),
        no_result = code ~= nil and code:find("_NO_RESULT$") ~= nil or nil,
    })
end

-- Whether an answer with an Error holds anything else.
local function has_results(value)
    for name in pairs(value) do
        if name ~= "Error" and name ~= "Culture" then
            return true
        end
    end
    return false
end

local function unreadable(response, problem, secret)
    local status = response.status
    if status >= 400 then
        return nil, M.api_error({}, response, secret)
    end
    return nil, errors.transport("invalid_response", problem, false, status)
end

local function json_answer(response, json, secret)
    local status = response.status
    if status == 204 then
        return {}
    end
    local value, problem = M.decode(response.body or "", json)
    if not value then
        return unreadable(response, problem, secret)
    end
    local object = value.Error
    if type(object) == "table" then
        local err = M.api_error(object, response, secret)
        return has_results(value) and value or nil, err
    elseif status >= 400 then
        return nil, M.api_error({}, response, secret)
    end
    return value
end

local ENTITIES = { amp = "&", lt = "<", gt = ">", quot = '"', apos = "'" }

-- The text of an element in XML, decoded, so that an echo of the token is known as such.
local function element(body, name)
    local found = body:match("<" .. name .. ">([^<]*)</" .. name .. ">")
    return found and (found:gsub("&(%a+);", ENTITIES))
end

-- An error may be JSON even where XML was asked for.
local function xml_answer(response, json, secret)
    local status, body = response.status, response.body or ""
    if status < 300 then
        return body
    elseif body:find("^%s*{") then
        return json_answer(response, json, secret)
    end
    return nil, M.api_error({
        ErrorCode = element(body, "ErrorCode"),
        Description = element(body, "Description"),
        Message = element(body, "Message"),
    }, response, secret)
end

--- "xml" for an answer that says so, else nil.
-- @tparam table response `{ headers }`
-- @treturn ?string
function M.format(response)
    local kind = header(response, "content-type")
    return kind and kind:find("xml", 1, true) and "xml" or nil
end

--- What an answer of the API means.
-- @tparam table response `{ status, headers, body }`
-- @tparam ?table json the client's library
-- @tparam ?string format "xml": the text is returned
-- @tparam ?string secret the token that was sent
-- @return value a table, or a text; with an error too where the answer holds both
-- @treturn ?table error
function M.read(response, json, format, secret)
    local status = response.status
    if status < 200 or status >= 300 and status < 400 then
        return nil, errors.transport("invalid_response",
            "the service answered " .. status .. "; redirects are not followed", false, status)
    elseif format == "xml" then
        return xml_answer(response, json, secret)
    end
    return json_answer(response, json, secret)
end

return M
