--- Error values: tables of known fields, one readable line with `tostring`.
--
-- Fields: `kind` ("argument", "pending", "token", "api", "transport", "timeout", "cancelled"),
-- `code` (always with underscores), `status` (of HTTP), `message`, `argument`, `retryable`,
-- `retry_after` (seconds), `no_result`. What does not apply is nil. The C core makes errors of the
-- same metatable.
--
-- @module groove.errors

local core = require("groove.core")

local M = {}

local mt = core.error_metatable
mt.__name = "groove.error"

--- Makes an error.
-- @tparam table fields kept, not copied
-- @treturn table
function M.new(fields)
    return setmetatable(fields, mt)
end

--- Whether a value is one of this module's errors.
-- @param value
-- @treturn boolean
function M.is(value)
    return type(value) == "table" and getmetatable(value) == mt
end

--- Something that would have been refused; nothing was sent.
-- @tparam string argument the argument's name
-- @tparam string message what is allowed
-- @treturn table
function M.argument(argument, message)
    return M.new({
        kind = "argument",
        argument = argument,
        message = argument .. " " .. message,
        retryable = false,
    })
end

--- Not there yet.
-- @tparam string message
-- @treturn table
function M.pending(message)
    return M.new({ kind = "pending", message = message, retryable = true })
end

--- The call, its client, its source or the engine was closed.
-- @tparam string message
-- @treturn table
function M.cancelled(message)
    return M.new({ kind = "cancelled", message = message, retryable = false })
end

--- The deadline of the whole call has passed.
-- @tparam string message
-- @treturn table
function M.timeout(message)
    return M.new({ kind = "timeout", message = message, retryable = true })
end

--- No usable answer.
-- @tparam string code
-- @tparam string message
-- @tparam boolean retryable
-- @tparam[opt] integer status
-- @treturn table
function M.transport(code, message, retryable, status)
    return M.new({
        kind = "transport",
        code = code,
        status = status,
        message = message,
        retryable = retryable,
    })
end

local MESSAGE_MAX = 300

--- A text made fit for one line: control characters blotted out, cut to 300 bytes.
-- @param text
-- @treturn string
function M.line(text)
    text = tostring(text):gsub("%c+", " ")
    if #text > MESSAGE_MAX then
        text = text:sub(1, MESSAGE_MAX) .. "..."
    end
    return text
end

--- An error out of what a function of the program's (a transport, a token function) returned
-- instead of a result.
-- @param err one of this module's errors, returned as it is; a table with its fields; any text
-- @tparam string kind of the error, where `err` does not say
-- @treturn table
function M.wrap(err, kind)
    if M.is(err) then
        return err
    end
    local fields = { kind = kind, retryable = true }
    if type(err) == "table" then
        for name, value in pairs(err) do
            fields[name] = value
        end
    elseif err ~= nil then
        fields.message = M.line(err)
    end
    return M.new(fields)
end

local function head(err)
    local text = tostring(err.kind)
    if err.code then
        text = text .. ": " .. err.code
    end
    if err.status then
        text = text .. " (HTTP " .. err.status .. ")"
    end
    return text
end

--- One readable line.
-- @treturn string "api: CATALOG_NO_RESULT (HTTP 404): Item does not exist"
function mt.__tostring(err)
    local text = head(err)
    if err.message then
        text = text .. ": " .. err.message
    end
    if err.retry_after then
        text = text .. string.format(" (retry after %.3g s)", err.retry_after)
    end
    return text
end

-- So that a program may say `"search failed: " .. err`.
function mt.__concat(a, b)
    return tostring(a) .. tostring(b)
end

return M
