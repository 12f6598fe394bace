-- The rockspec lists what is there, and luarocks can build it.

local shell = require("spec.support.shell")

local function load_rockspec()
    local rockspec = {}
    local chunk
    if setfenv then -- luacheck: ignore 113
        chunk = assert(loadfile("groove-scm-1.rockspec"))
        setfenv(chunk, rockspec) -- luacheck: ignore 113
    else
        chunk = assert(loadfile("groove-scm-1.rockspec", "t", rockspec))
    end
    chunk()
    return rockspec
end

local function module_name(path)
    local name = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
    return name
end

describe("groove-scm-1.rockspec", function()
    local modules = load_rockspec().build.modules

    it("lists every C file of the library, and no other", function()
        local listed = {}
        for i, path in ipairs(modules["groove.core"].sources) do listed[i] = path end
        table.sort(listed)
        assert.same(shell.lines("find src/core src/binding -name '*.c'"), listed)
    end)

    it("lists every Lua file under its module's name, and no other", function()
        local listed, there = {}, {}
        for name, path in pairs(modules) do
            if type(path) == "string" then listed[name] = path end
        end
        for _, path in ipairs(shell.lines("find lua -type f")) do
            there[module_name(path)] = path
        end
        assert.same(there, listed)
    end)

    it("is what luarocks can build and install", function()
        if os.getenv("GROOVE_SANITIZER") then
            return pending("built without the sanitizer")
        elseif not shell.succeeds("command -v luarocks >/dev/null") then
            return pending("luarocks is not installed")
        end
        local folder = shell.folder()
        finally(function() shell.remove(folder) end)
        -- in a copy, because luarocks leaves its objects beside the sources
        shell.must("cp -r lua src *.rockspec LICENSE README.md '" .. folder .. "'")
        shell.must(("cd '%s' && luarocks --lua-version %s --tree tree make --deps-mode none "
            .. "groove-scm-1.rockspec"):format(folder, shell.abi))
        assert.same({ require("groove")._VERSION },
            shell.lines(shell.version_command(folder .. "/tree")))
    end)
end)
