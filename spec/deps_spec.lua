-- tools/deps.sh, with a stand-in for Debian's programs: what it asks for, and when it asks nothing.

local shell = require("spec.support.shell")

local ALL = "gcc libc6-dev make pkg-config lua5.4 liblua5.4-dev libcurl4-openssl-dev "
    .. "libjansson-dev lua-cjson nginx libnginx-mod-http-lua openssl ca-certificates libcmocka-dev "
    .. "libssl-dev lua-busted lua5.1 liblua5.1-0-dev lua5.2 liblua5.2-dev lua5.3 liblua5.3-dev "
    .. "luajit2 libluajit2-5.1-dev"

describe("make deps", function()
    local folder

    local function program(name, text)
        local file = assert(io.open(folder .. "/" .. name, "w"))
        file:write("#!/bin/sh\n", text, "\n")
        file:close()
        shell.must("chmod +x '" .. folder .. "/" .. name .. "'")
    end

    -- installed: the packages that dpkg-query knows.
    local function debian(installed)
        program("dpkg-query", ([[for p in %s; do echo "ii $p"; done]]):format(installed))
        program("apt-cache", "exit 0")
        program("apt-get", ([[echo "apt-get $*" >>'%s/calls']]):format(folder))
        program("id", "echo 0")
    end

    local function deps(group)
        return shell.must(("LUA=5.4 LUAS= PATH='%s':$PATH GROOVE_POLICY_RC_D='%s/policy-rc.d' "
            .. "sh tools/deps.sh %s </dev/null"):format(folder, folder, group))
    end

    local function calls()
        return shell.lines("cat '" .. folder .. "/calls' 2>/dev/null")
    end

    before_each(function() folder = shell.folder() end)
    after_each(function() shell.remove(folder) end)

    it("does and says nothing when nothing is missing", function()
        debian(ALL)
        assert.equal("", deps("base test"))
        assert.same({}, calls())
    end)

    it("installs what is missing, prints the command first, and removes nothing", function()
        debian((ALL:gsub(" nginx ", " "):gsub(" lua%-busted", "")))
        local said = deps("base test")
        assert.same({ "apt-get install -y --no-install-recommends --no-remove nginx lua-busted" },
            calls())
        assert.matches("Command: [^\n]*apt%-get install [^\n]*%-%-no%-remove nginx lua%-busted\n",
            said)
    end)

    it("asks for the Lua that is to be built for", function()
        debian(ALL)
        shell.must(("LUA=5.2 PATH='%s':$PATH sh tools/deps.sh base"):format(folder))
        debian((ALL:gsub("luajit2 libluajit2%-5%.1%-dev", "")))
        shell.must(("LUA=jit PATH='%s':$PATH GROOVE_POLICY_RC_D='%s/policy-rc.d' "
            .. "sh tools/deps.sh base"):format(folder, folder))
        assert.same({ "apt-get install -y --no-install-recommends --no-remove "
            .. "luajit2 libluajit2-5.1-dev" }, calls())
    end)

    it("asks for valgrind, and the names in the C library that it goes by", function()
        debian("make")
        deps("valgrind")
        assert.same({ "apt-get install -y --no-install-recommends --no-remove valgrind libc6-dbg" },
            calls())
    end)

    it("asks for the Luas that are to be tested", function()
        debian((ALL:gsub("lua5%.[12] ", ""):gsub("luajit2", "")))
        shell.must(("LUA=5.4 LUAS='5.3 5.4' PATH='%s':$PATH sh tools/deps.sh base test")
            :format(folder))
        assert.same({}, calls())
    end)

    it("keeps services from starting, only while it installs", function()
        debian("make")
        program("apt-get", ([[cat '%s/policy-rc.d' >'%s/seen']]):format(folder, folder))
        deps("base")
        assert.same({ "#!/bin/sh", "exit 101" }, shell.lines("cat '" .. folder .. "/seen'"))
        assert.is_false(shell.succeeds("test -e '" .. folder .. "/policy-rc.d'"))
    end)

    it("leaves a policy alone that was there before", function()
        debian("make")
        program("policy-rc.d", "exit 0 # mine")
        assert.matches("policy%-rc%.d exists", deps("base"))
        assert.same({ "#!/bin/sh", "exit 0 # mine" },
            shell.lines("cat '" .. folder .. "/policy-rc.d'"))
    end)

    it("takes the policy away when it is interrupted", function()
        debian("make")
        program("apt-get", "kill -INT $PPID; sleep 0.1; exit 1")
        pcall(deps, "base")
        assert.is_false(shell.succeeds("test -e '" .. folder .. "/policy-rc.d'"))
    end)

    it("fetches the package lists when there are none, or when installing failed", function()
        debian("make")
        program("apt-get", ([[echo "$1" >>'%s/calls'; [ "$1" != install ] || [ -e '%s/again' ] ||
            { touch '%s/again'; exit 1; }]]):format(folder, folder, folder))
        deps("base")
        assert.same({ "install", "install", "update" }, calls())
    end)

    it("fails and says why when the packages cannot be installed", function()
        debian("make")
        program("apt-get", "exit 100")
        local ok, said = pcall(deps, "base")
        assert.is_false(ok)
        assert.matches("nothing was removed", said)
        assert.matches("apt%-get remove luajit", said)
    end)

    it("says what is needed on a system that it does not know", function()
        -- a PATH with what the script itself needs and no packages
        for _, name in ipairs({ "sh", "id", "cc", "make" }) do
            shell.must(("ln -s \"$(command -v %s)\" '%s/%s'"):format(name, folder, name))
        end
        local ok, said = pcall(shell.must, ("LUA=5.4 PATH='%s' '%s/sh' tools/deps.sh base")
            :format(folder, folder))
        assert.is_false(ok)
        assert.matches("Needed:\n.*libcurl.*nginx with its Lua module", said)
        assert.matches("Not found: pkg%-config lua5%.4 nginx openssl\n", said)
    end)
end)
