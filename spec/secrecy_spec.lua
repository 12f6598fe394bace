-- No secret and no token in anything that the module says, whatever happens.
--
-- spec/support/blabber.lua, in a process of its own, goes through success and every failure with
-- secrets and tokens made up for it, and says all that a program could say: events, errors with
-- all their fields, info, metrics, tostring, the sandbox's logs, and what the system shows of it
-- and its children. Here all of it is searched. That every failure was met is checked against the
-- module's source.

local marks = require("spec.support.secrecy.marks")
local shell = require("spec.support.shell")
local sources = require("spec.support.secrecy.sources")
local text = require("groove.sandbox.text")
local token = require("groove.sandbox.token")

-- Where the client's secret comes from.
local KINDS = { "file", "env", "string" }

-- Codes that are not met here, and why that does not matter.
local NOT_MET = {
    out_of_memory = "fixed words, where memory has run out", no_memory = "likewise",
    forked = "fixed words, in the child of a fork during a request: tests/test_fork.c",
    exit = "fixed words, while the program ends: tests/host/exits.c",
}

-- The same for lines of the Lua side.
local NOT_REACHED = {
    ["call.lua"] = {
        ["return errors.cancelled(CLOSED)"] = "the calls of an owner that was closed have ended",
        ['return nil, errors.transport("raised", "inside nginx a transport serves the waiting '
            .. 'methods "'] = "inside nginx only",
        ['return nil, errors.pending("nothing can be waited for in this phase")']
            = "inside nginx only",
    },
}

if _VERSION == "Lua 5.1" and not rawget(_G, "jit") then
    local line = 'finish(call, nil, errors.transport("raised", "a transport, json.decode or a '
        .. 'token function "'
    NOT_REACHED["call.lua"][line] = "nothing yields across pcall in Lua 5.1"
end

describe("the search for marks", function()
    local mark = marks.new(marks.AWKWARD)
    local core = marks.core(mark)

    local DISGUISES = {
        ["as it is"] = mark, ["in capitals"] = mark:upper(), ["backwards"] = mark:reverse(),
        ["in part"] = core:sub(9, 16), ["percent-encoded"] = text.escape(mark),
        ["percent-encoded twice"] = text.escape(text.escape(mark)),
        ["in JSON"] = mark:gsub('["\\/]', "\\%0"), ["quoted by Lua"] = ("%q"):format(mark),
        ["in hexadecimal"] = mark:gsub(".", function(c) return ("%02X"):format(c:byte()) end),
        ["in base64"] = text.base64(mark),
        ["in base64, as Basic has it"] = text.base64("id:" .. mark),
        ["in base64 at another place"] = text.base64("an id:" .. mark),
        ["in base64 at a third place"] = text.base64("one id:" .. mark),
        ["in base64, percent-encoded first"] = text.base64("id:" .. text.escape(mark)),
        ["in base64, for addresses"] = text.base64url("id:" .. mark),
        ["between zeroes"] = "\0\0" .. core .. "\0",
    }

    for name, disguised in pairs(DISGUISES) do
        it("finds one " .. name, function()
            assert.is_truthy(marks.find("something before " .. disguised .. " and after", mark))
        end)
    end

    it("finds nothing in another text", function()
        assert.is_nil(marks.find(("another text %s "):format(marks.new()):rep(100), mark))
        assert.is_nil(marks.find("", mark))
    end)
end)

describe("secrecy", function()
    local folder, given, said, left = nil, {}, {}, {}

    -- Made up in a process that the program is not: a secret from a file never enters its Lua.
    local function make_marks(kind)
        local word = marks.new("", true)
        given[kind] = {
            -- One of them looks like an error code, which a token service might repeat.
            secret = kind == "env" and word or marks.new(marks.AWKWARD),
            token = marks.new(marks.AWKWARD), user = marks.new("~"), password = marks.new("-"),
        }
        shell.must(("mkdir -p '%s/%s/tmp'"):format(folder, kind))
        shell.write(("%s/%s/word"):format(folder, kind), word)
        for name, mark in pairs(given[kind]) do
            shell.write(("%s/%s/%s"):format(folder, kind, name), mark)
        end
    end

    local function command(kind, program)
        local own = folder .. "/" .. kind
        local secret = kind == "env" and "MARKED_SECRET='" .. given.env.secret .. "'" or ""
        return ("env %s TMPDIR='%s/tmp' timeout -k 5 90 %s %s '%s' >'%s/said' 2>&1 </dev/null")
            :format(secret, own, shell.interpreter, program, own, own)
    end

    setup(function()
        folder = shell.folder()
        local commands = {}
        for _, kind in ipairs({ "file", "env", "string", "starved" }) do
            make_marks(kind)
            local program = "spec/support/blabber.lua " .. kind
            if kind == "starved" then
                -- A sanitizer needs some of its own.
                program = "spec/support/secrecy/starved.lua"
            end
            commands[#commands + 1] = "( ulimit -n " .. (kind == "starved" and 64 or 512) .. "; "
                .. command(kind, program) .. " ) &"
        end
        os.execute(table.concat(commands, " ") .. " wait")
        for kind in pairs(given) do
            said[kind] = shell.read(folder .. "/" .. kind .. "/said")
            left[kind] = shell.lines(("ls -A '%s/%s/tmp'"):format(folder, kind))
        end
    end)
    teardown(function()
        shell.remove(folder)
    end)

    -- Fails with what stands before a mark, and not with the mark.
    local function search(heard, marks_of_kind)
        for name, mark in pairs(marks_of_kind) do
            local at = marks.find(heard, mark)
            assert.is_nil(at and name .. " after: " .. marks.before(heard, at))
        end
        for _, prefix in ipairs({ token.PREFIX, token.USER_PREFIX }) do
            local at = heard:find(prefix, 1, true)
            assert.is_nil(at and "a token of the sandbox after: " .. marks.before(heard, at))
        end
    end

    -- After search: what it shows of a program that has crashed holds no mark.
    local function comes_to_its_end(heard)
        assert.is_truthy(heard:find("@all of it", 1, true), "ended with: " .. heard:sub(-6000))
    end

    for _, kind in ipairs(KINDS) do
        it("keeps a secret (" .. kind .. ") and tokens out of all that is said", function()
            search(said[kind], given[kind])
            comes_to_its_end(said[kind])
            assert.is_true(#said[kind] > 100000)
        end)

        it("leaves no file behind (" .. kind .. ")", function()
            assert.same({}, left[kind])
        end)
    end

    it("keeps them out of all that is said where nothing is left to work with", function()
        search(said.starved, given.starved)
        comes_to_its_end(said.starved)
    end)

    it("was looked for in logs, commands and environments", function()
        for _, kind in ipairs(KINDS) do
            for _, part in ipairs({ "error.log", "output.log", "cmdline ", "child\ncmdline " }) do
                assert.is_truthy(said[kind]:find(part, 1, true), part)
            end
        end
        assert.is_truthy(said.file:find("\nenviron ", 1, true))
    end)

    -- What the programs have met, of a kind of line.
    local function met(pattern)
        local out = {}
        for _, heard in pairs(said) do
            for item in heard:gmatch(pattern) do
                out[item] = true
            end
        end
        return out
    end

    it("was looked for after every error code of the core", function()
        local codes, unclear = sources.core_codes()
        assert.same({}, unclear)
        local seen, missing, needless = met("\n@code %l+ ([%w_]+)"), {}, {}
        for code in pairs(seen) do
            seen["http_%d"] = seen["http_%d"] or code:find("^http_%d+$") ~= nil
        end
        local count = 0
        for code in pairs(codes) do
            count = count + 1
            if not seen[code] and not NOT_MET[code] then
                missing[#missing + 1] = code
            elseif seen[code] and NOT_MET[code] then
                needless[#needless + 1] = code
            end
        end
        assert.same({}, missing)
        assert.same({}, needless)
        assert.is_true(count >= 35)
    end)

    it("was looked for after every kind of error", function()
        local seen = met("\n@code (%l+) ")
        for _, kind in ipairs({ "argument", "pending", "token", "api", "transport", "timeout",
            "cancelled" }) do
            assert.is_true(seen[kind], kind)
        end
    end)

    it("was looked for after every line of the Lua side that makes an error", function()
        local missing = {}
        for _, site in ipairs(sources.unreached(met("\n@site ([^\n]+)"))) do
            if not (NOT_REACHED[site.file] or {})[site.text] then
                missing[#missing + 1] = site.file .. ":" .. site.line .. " " .. site.text
            end
        end
        assert.same({}, missing)
        assert.is_true(#sources.lua_sites() > 70)
    end)
end)
