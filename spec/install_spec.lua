-- What `make` builds and `make install` puts where.

local shell = require("spec.support.shell")

local MODULE = package.searchpath("groove.core", package.cpath)

describe("groove/core.so", function()
    it("exports what require looks for, in LOVE too, and nothing else", function()
        local names = shell.lines("nm -D --defined-only '" .. MODULE .. "' | awk '{ print $3 }'")
        if os.getenv("GROOVE_SANITIZER") or os.getenv("GROOVE_COVERAGE") then
            return pending("a sanitizer adds names of its own, and gcov does")
        end
        assert.same({ "loveopen_groove_core", "luaopen_groove_core" }, names)
    end)

    it("does not link liblua", function()
        assert.same({}, shell.lines("readelf -d '" .. MODULE .. "' | grep 'NEEDED.*liblua'"))
    end)

    it("needs no C library call at load time that opens a thread or a file", function()
        local count = "require('groove') local n = 0 for _ in io.popen('ls /proc/' .. "
            .. "io.open('/proc/self/stat'):read('*n') .. '/task'):lines() do n = n + 1 end print(n)"
        assert.same({ "1" }, shell.lines(shell.interpreter .. ' -e "' .. count .. '"'))
    end)
end)

describe("make", function()
    local folder
    before_each(function() folder = shell.folder() end)
    after_each(function() shell.remove(folder) end)

    local function make(target)
        shell.must(("%s%s LUA=%s PREFIX=/opt DESTDIR='%s'"):format(shell.make, target,
            shell.flavour, folder))
    end

    it("install puts a working module under DESTDIR and PREFIX, and uninstall takes it away",
        function()
            if os.getenv("GROOVE_SANITIZER") then
                return pending("installs the build without the sanitizer")
            end
            make("install")
            assert.same({ require("groove")._VERSION },
                shell.lines(shell.version_command(folder .. "/opt")))
            local installed = #shell.lines("find '" .. folder .. "' -type f")
            assert.equal(#shell.lines("find lua -type f") + 1, installed)
            make("uninstall")
            assert.same({}, shell.lines("find '" .. folder .. "' -type f"))
        end)

    it("env prints lines that find this build and keep the defaults", function()
        local flavour = shell.flavour:gsub("%.", "%%.")
        local printed = shell.must(shell.make .. "env LUA=" .. shell.flavour)
        assert.matches("^export LUA_PATH='/[^']+/lua/%?%.lua;/[^']+/lua/%?/init%.lua;;' ", printed)
        assert.matches(" LUA_CPATH='/[^']+/build/" .. flavour .. "/%?%.so;;'\n$", printed)
        local program = [[require("cjson") print(debug.getinfo(require("groove").new, "S").source)]]
        local found = shell.lines("unset LUA_PATH LUA_CPATH; "
            .. "eval \"$(" .. shell.make .. "env LUA=" .. shell.flavour .. ")\"; "
            .. shell.interpreter .. " -e '" .. program .. "'")
        assert.matches("/lua/groove/client%.lua$", found[1])
    end)
end)
