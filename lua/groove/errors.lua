--- Error values: tables of known fields, one readable line with `tostring`.
--
-- Fields: `kind` ("argument", "pending", "token", "api", "transport", "timeout", "cancelled"),
-- `code` (always with underscores), `status` (of HTTP), `message`, `argument`, `retryable`,
-- `retry_after` (seconds), `no_result`. What does not apply is nil. The C core makes errors of the
-- same metatable.
--
-- An error is joined with text as `"search failed: " .. tostring(err)`. Without tostring Lua raises
-- an error of its own: there is no `__concat`, since Lua 5.4.4 as Debian 12 mends it
-- (CVE-2022-33099) writes into freed memory when such a method makes the stack grow.
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

local KINDS = {
    argument = true, pending = true, token = true, api = true, transport = true, timeout = true,
    cancelled = true,
}

local function truth(value)
    return value and true or false
end

-- What each field of a foreign error is made into.
local FIELDS = {
    kind = tostring, code = M.line, message = M.line, argument = M.line, status = tonumber,
    retry_after = tonumber, retryable = truth, no_result = truth,
}

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
        for name, fit in pairs(FIELDS) do
            if err[name] ~= nil then
                fields[name] = fit(err[name])
            end
        end
        fields.kind = KINDS[fields.kind] and fields.kind or kind
    elseif err ~= nil then
        fields.message = M.line(err)
    end
    return M.new(fields)
end

--- Raises a caught error anew where memory has run out: whatever else was about to be said of what
-- failed would be wrong.
-- @param problem what `pcall` has caught
function M.pass_on(problem)
    if problem == "not enough memory" then
        error(problem, 0)
    end
end

--- An error that a function of the program's has raised.
-- @param problem what was raised; one of this module's errors is returned as it is
-- @treturn table
function M.raised(problem)
    if M.is(problem) then
        return problem
    end
    return M.transport("raised", M.line(problem), false)
end

local function head(err)
    local text = tostring(err.kind)
    if err.code then
        text = text .. ": " .. err.code
    end
    if err.status and not (err.message or ""):find("HTTP", 1, true) then
        text = text .. string.format(" (HTTP %d)", err.status)
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

return M
