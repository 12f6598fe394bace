-- Networks that fail in ways of their own, as far as TLS, proxies or a process's memory are in it.
-- Bytes lost, changed and late: tests/test_network.c. Each case ends in time, with its own error.

local core = require("groove.core")
local groove = require("groove")
local child = require("spec.support.child")
local network = require("spec.support.network")
local shell = require("spec.support.shell")

local SECRET, TOKEN = "sEcrEt-4711", "tokEn-0815"
local PASSWORD = "pAsswOrd-42"

-- Seconds. What ends by its own deadline is given SHORT; nothing may take LONG.
local SHORT, LONG = 0.2, 20

-- Set by the last test, which runs others in a process that never has the engine's thread.
local THREADLESS = os.getenv("SPEC_THREADLESS") ~= nil

local GOOD = network.answer('{"access_token":"fresh","expires_in":3600}')

describe("a network", function()
    local folder, program

    local reserve, threads -- as long as it is open, nothing starts a thread

    local function count_threads()
        return #shell.lines("ls /proc/$PPID/task")
    end

    setup(function()
        if THREADLESS then
            threads = count_threads()
            reserve = assert(groove.token_source({ token_url = "http://127.0.0.1:1",
                thread = false }))
        end
        folder = shell.folder()
        program = network.program(folder)
        if program then network.certificates(folder) end
    end)

    teardown(function()
        if reserve then reserve:close() end
        shell.remove(folder)
    end)
    after_each(function()
        network.stop_all()
        assert.is_true(not THREADLESS or count_threads() == threads)
    end)

    -- A test that needs the program.
    local function check(name, test)
        it(name, function()
            if not program then return pending("needs a C compiler and OpenSSL's headers") end
            test()
        end)
    end

    local function start(...)
        return network.start(program, ...)
    end

    local function start_tls(certificate, ...)
        return start("tls", ("%s/%s.pem"):format(folder, certificate),
            ("%s/%s.key"):format(folder, certificate), ...)
    end

    -- What every source here has; a number makes each one's identity its own.
    local serial = 0
    local function options_for(url, more)
        serial = serial + 1
        local options = { token_url = url .. "/token", client_id = "client-" .. serial,
            client_secret = SECRET, timeout = LONG, connect_timeout = LONG, renew = false,
            thread = not THREADLESS }
        for name, value in pairs(more or {}) do
            options[name] = value
        end
        return options
    end

    local function timed(action)
        local began = core.now()
        local value, err = action()
        assert.is_true(core.now() - began < LONG)
        return value, err
    end

    -- No error, and nothing else that the source says, holds what is nobody's business.
    local function check_discreet(source, err)
        local said = { tostring(err), tostring(source), tostring(source:info().last_error) }
        for name, value in pairs(err or {}) do
            said[#said + 1] = tostring(name) .. tostring(value)
        end
        for _, text in ipairs(said) do
            for _, mark in ipairs({ SECRET, TOKEN, PASSWORD }) do
                assert.is_nil(text:find(mark, 1, true))
            end
        end
    end

    -- The two things that are asked for, each by a source of its own.
    local ask = {}

    function ask.token(url, more)
        local source = assert(groove.token_source(options_for(url, more)))
        local token, err = timed(function() return source:token() end)
        check_discreet(source, err)
        source:close()
        return token, err
    end

    function ask.api(url, more)
        local options = options_for(url, more)
        options.origin = url
        local source = assert(groove.token_source(options))
        assert.is_true(source:adopt(TOKEN, 3600, 0))
        local answer, err = timed(function() return source:fetch("/things") end)
        check_discreet(source, err)
        source:close()
        return answer, err
    end

    -- Whatever has happened, the next one to a service that is well gets its answer.
    local function check_goes_on()
        local well = start("answers", "send", GOOD)
        assert.equal("fresh", (ask.token(well:url())))
        assert.equal(200, ask.api(well:url()).status)
    end

    local function both(test)
        for _, what in ipairs({ "token", "api" }) do
            test(ask[what], what)
        end
        check_goes_on()
    end

    describe("that does not answer", function()
        local function check_timeout(url, more, code)
            both(function(asked)
                local value, err = asked(url, more)
                assert.is_nil(value)
                assert.equal("timeout", err.kind)
                assert.equal(code, err.code)
            end)
        end

        local TO_CONNECT, TO_ANSWER = { connect_timeout = SHORT }, { timeout = SHORT }

        check("lets nobody connect", function()
            local full = start("full")
            check_timeout(full:url(), TO_CONNECT, "connect_timeout")
            check_timeout(full:url("https"), TO_CONNECT, "connect_timeout")
        end)

        check("connects, and nobody is there", function()
            local deaf = start("deaf")
            check_timeout(deaf:url(), TO_ANSWER, "timeout")
            check_timeout(deaf:url("https"), TO_CONNECT, "connect_timeout")
        end)

        check("reads a request, or the beginning of TLS, and is silent", function()
            local silent = start("answers", "hold")
            check_timeout(silent:url(), { timeout = 4 * SHORT }, "timeout")
            assert.truthy(silent:log():find("POST /token", 1, true))
            check_timeout(silent:url("https"), TO_CONNECT, "connect_timeout")
        end)

        check("is silent after TLS", function()
            local silent = start_tls("right", "answers", "hold")
            check_timeout(silent:url("https"), { timeout = 4 * SHORT,
                ca_file = folder .. "/ca.pem" }, "timeout")
            assert.truthy(silent:log():find("POST /token", 1, true))
        end)

        check("answers a byte a second, in the head, the body or TLS", function()
            for _, steps in ipairs({
                { "drip", GOOD },
                { "send", "HTTP/1.1 200 OK\\r\\nContent-Length: 40\\r\\n\\r\\n", "drip", GOOD },
                { "send", "HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n",
                    "drip", "1\\r\\n{\\r\\n1\\r\\n}\\r\\n" },
            }) do
                local slow = start("answers", steps[1], steps[2], steps[3], steps[4])
                check_timeout(slow:url(), TO_ANSWER, "timeout")
            end
            local slow = start("answers", "drip", "\\x16\\x03\\x03\\x00\\x40\\x02\\x00\\x00\\x3c")
            check_timeout(slow:url("https"), TO_CONNECT, "connect_timeout")
        end)

        check("holds a client's call, repeats included, no longer than its timeout", function()
            local deaf, full = start("deaf"), start("full")
            for _, url in ipairs({ deaf:url(), full:url() }) do
                local client = assert(groove.new({ source = groove.static_token(TOKEN),
                    api_url = url, timeout = SHORT, connect_timeout = SHORT / 4 }))
                local page, err = timed(function() return client:search("love") end)
                assert.is_nil(page)
                assert.equal("timeout", err.kind)
                client:close()
            end
            check_goes_on()
        end)
    end)

    describe("with TLS that is not the service's", function()
        local function check_refused(url, more, code)
            both(function(asked)
                local value, err = asked(url, more)
                assert.is_nil(value)
                assert.equal("transport", err.kind)
                assert.equal(code, err.code)
                assert.is_false(err.retryable)
            end)
        end

        -- Nothing of a request has come through.
        local function check_untold(server)
            local log = server:log()
            assert.truthy(log:find("(connection)", 1, true))
            assert.is_nil(log:find("HTTP", 1, true))
        end

        for _, name in ipairs({ "elsewhere", "expired", "early", "strange", "own" }) do
            check("asks nothing of one whose certificate is " .. name, function()
                local server = start_tls(name, "answers", "send", GOOD)
                check_refused(server:url("https"), { ca_file = folder .. "/ca.pem" }, "tls_failed")
                check_untold(server)
            end)
        end

        check("asks one with the right certificate", function()
            local server = start_tls("right", "answers", "send", GOOD)
            local more = { ca_file = folder .. "/ca.pem" }
            both(function(asked) assert.truthy(asked(server:url("https"), more)) end)
        end)

        check("takes a certificate that has signed itself where it is named", function()
            local server = start_tls("own", "answers", "send", GOOD)
            local more = { ca_file = folder .. "/own.pem" }
            both(function(asked) assert.truthy(asked(server:url("https"), more)) end)
        end)

        check("trusts nobody without a good ca_file, and goes on when it is back", function()
            local server = start_tls("right", "answers", "send", GOOD)
            local path = folder .. "/trusted.pem"
            local function with(command, code)
                shell.must(("rm -rf '%s' && %s"):format(path, command))
                check_refused(server:url("https"), { ca_file = path }, code)
            end
            with("true", "ca_file_unreadable")
            with((": >'%s'"):format(path), "ca_file_unreadable")
            with(("mkdir '%s'"):format(path), "ca_file_unreadable")
            with(("echo nonsense >'%s'"):format(path), "ca_file_unreadable")
            with(("head -c 200 '%s/ca.pem' >'%s'"):format(folder, path), "ca_file_unreadable")
            if not core.process.is_root() then
                with(("install -m 0 '%s/ca.pem' '%s'"):format(folder, path), "ca_file_unreadable")
            end
            check_untold(server)
            shell.must(("rm -rf '%s' && cp '%s/ca.pem' '%s'"):format(path, folder, path))
            both(function(asked)
                assert.truthy(asked(server:url("https"), { ca_file = path }))
            end)
        end)

        check("speaks no TLS with what is none", function()
            for _, text in ipairs({ "HTTP/1.1 200 OK\\r\\n\\r\\n",
                "\\x15\\x03\\x03\\x00\\x02\\x02\\x28", "\\x16\\x03\\x03\\x00\\x01\\xff" }) do
                local server = start("answers", "send", text)
                both(function(asked)
                    local value, err = asked(server:url("https"))
                    assert.is_nil(value)
                    assert.equal("transport", err.kind)
                end)
            end
        end)
    end)

    describe("with redirects", function()
        check("leads no token and no secret to another origin", function()
            local other = start("answers", "send", GOOD)
            local secure = start_tls("right", "answers", "send", GOOD)
            local places = { other:url(), other:url():sub(6), other:url("http", "localhost"),
                "http://user@" .. other:url():sub(8), secure:url("https") }
            for _, status in ipairs({ 301, 302, 303, 307, 308, 300, 305 }) do
                for _, place in ipairs(places) do
                    local head = ("Location: @/x\\r\\nRefresh: 0; url=@/x\\r\\n"
                        .. "Content-Location: @/x\\r\\n"):gsub("@", place)
                    local server = start("answers", "send", network.answer("", head, status))
                    local _, err = ask.token(server:url(), { ca_file = folder .. "/ca.pem" })
                    assert.equal("redirect", err.code)
                    assert.equal(status, ask.api(server:url()).status)
                    server:stop()
                end
            end
            assert.equal("", other:log() .. secure:log())
            check_goes_on()
        end)

        check("leads a client nowhere, either", function()
            local other = start("answers", "send", GOOD)
            local server = start("answers", "send", network.answer("{}",
                ("Location: %s/x\\r\\n"):format(other:url()), 302))
            local client = assert(groove.new({ source = groove.static_token(TOKEN),
                api_url = server:url() }))
            for _, err in ipairs({ select(2, client:search("love")),
                select(2, client:send({ method = "POST", path = "/x", body = "{}" })) }) do
                assert.equal(302, err.status)
                assert.is_nil(tostring(err):find(TOKEN, 1, true))
            end
            client:close()
            assert.equal("", other:log())
        end)
    end)

    describe("with no end of bytes", function()
        local HEAD = "HTTP/1.1 200 OK\\r\\n"
        local CHUNKED = HEAD .. "Transfer-Encoding: chunked\\r\\n\\r\\n"
        local MANY = ("x"):rep(1000)

        -- How a request ends, and what is sent. What a line that is too long is depends on libcurl.
        local CASES = {
            { "answer_too_large", "send", HEAD .. "Content-Length: 8589934592\\r\\n\\r\\n",
                "repeat", MANY },
            { "answer_too_large", "send", HEAD .. "Content-Length: 9223372036854775807\\r\\n\\r\\n",
                "repeat", MANY },
            { "answer_too_large", "send", HEAD .. "\\r\\n", "repeat", MANY },
            { "answer_too_large", "send", CHUNKED, "repeat", "3e8\\r\\n" .. MANY .. "\\r\\n" },
            { "answer_too_large", "send", CHUNKED .. "7fffffffffffffff\\r\\n", "repeat", MANY },
            { "timeout", "send", CHUNKED .. "1;", "repeat", MANY },
            { "answer_too_large", "send", CHUNKED .. "0\\r\\n",
                "repeat", "A: " .. MANY .. "\\r\\n" },
            { "answer_too_large", "send", HEAD, "repeat", "A: " .. MANY .. "\\r\\n" },
            { "answer_too_large", "send", HEAD, "repeat", "A:\\r\\n" },
            { "invalid_response", "send", HEAD, "repeat", "x\\r\\n" },
            { "out_of_memory transfer_failed", "send", HEAD .. "A: ", "repeat", MANY },
            { "out_of_memory transfer_failed", "send", "HTTP/1.1 200 ", "repeat", MANY },
            { "answer_too_large", "repeat", "HTTP/1.1 100 Go on\\r\\n\\r\\n" },
            { "answer_too_large",
                "repeat", "HTTP/1.1 103 Early\\r\\nA: " .. MANY .. "\\r\\n\\r\\n" },
            { "invalid_response", "repeat", MANY },
        }

        -- Blocks of nothing, in the format that HTTP calls deflate: bytes for ever, and no body.
        CASES[#CASES + 1] = { "timeout", "send",
            HEAD .. "Content-Encoding: deflate\\r\\n\\r\\n\\x78\\x9c",
            "repeat", "\\x00\\x00\\x00\\xff\\xff" }

        local function bomb()
            local path = folder .. "/bomb.gz"
            if not shell.read(path) then
                shell.must(("head -c 100000000 /dev/zero | gzip -9 >'%s'"):format(path))
            end
            return { "answer_too_large", "send", HEAD .. "Content-Encoding: gzip\\r\\n\\r\\n",
                "file", path }
        end

        -- One of each kind, for what takes in more.
        local FEW = { CASES[1], CASES[4], CASES[8] }

        -- KiB: some times what is kept of an answer at most (64 KiB of a token's, 16 MiB).
        local LIMITS = { token = 8 * 1024, api = 80 * 1024, client = 80 * 1024 }

        -- The words that have swallow.lua ask for each, with the time that it has.
        local function arguments(what, cases)
            local words = { what, start("answers", "send", what == "client"
                and network.answer('{"Tracks":{"Items":[]}}') or GOOD):url() }
            for _, case in ipairs(cases) do
                words[#words + 1] = case[1] == "timeout" and SHORT or LONG
                words[#words + 1] = start("answers", case[2], case[3], case[4], case[5]):url()
            end
            return table.concat(words, " ")
        end

        for what, limit in pairs(LIMITS) do
            check("grows by no more than a few answers: " .. what, function()
                local cases = { bomb() }
                for _, case in ipairs(what == "token" and CASES or FEW) do
                    cases[#cases + 1] = case
                end
                local said = shell.must(("timeout -k 5 100 %s spec/support/swallow.lua %s"):format(
                    shell.interpreter, arguments(what, cases)))
                cases[#cases + 1] = { "answer" } -- from the good one, in the end
                local count = 0
                for code, growth, seconds in said:gmatch("(%S+) (%-?%d+) ([%d.]+)\n") do
                    count = count + 1
                    assert.truthy(cases[count][1]:find(code, 1, true), said)
                    assert.is_true(tonumber(seconds) < LONG, said)
                    if not os.getenv("GROOVE_SANITIZER") then
                        assert.is_true(tonumber(growth) < limit, said)
                    end
                end
                assert.equal(#cases, count, said)
            end)
        end
    end)

    -- A proxy is asked for what is not on loopback: names that it alone knows.
    describe("with a proxy in it", function()
        local TOKENS, THINGS = "token.groove.test", "api.groove.test"

        -- What Debian's libcurl trusts.
        local BUNDLE = "/etc/ssl/certs/ca-certificates.crt"

        local SCRIPT = [[
            local url, proxy, seconds = os.getenv("SPEC_URL"), os.getenv("SPEC_PROXY"),
                tonumber(os.getenv("SPEC_SECONDS"))
            local token, err = require("groove").token_source({ token_url = url, proxy = proxy,
                connect_timeout = seconds }):token()
            print(token or err.code)]]

        -- What a process of its own, started by a command, gets for a token or an error's code.
        local function child_says(command, url, proxy, seconds)
            local variables = { url = url, proxy = proxy, seconds = seconds }
            return shell.must(("%s timeout -k 5 60 %s %s -e %s"):format(
                child.environment(variables), command, shell.interpreter, shell.quoted(SCRIPT)))
        end

        -- Both of them through a proxy, to a server that both names stand for.
        local function through(proxy, scheme, server, more)
            local options = { proxy = proxy, allow_http = scheme == "http",
                ca_file = folder .. "/ca.pem" }
            for name, value in pairs(more or {}) do
                options[name] = value
            end
            local token, token_error = ask.token(server:url(scheme, TOKENS), options)
            local answer, api_error = ask.api(server:url(scheme, THINGS), options)
            return token, answer, token_error, api_error
        end

        local function check_served(proxy, scheme, server, more)
            local token, answer, token_error, api_error = through(proxy, scheme, server, more)
            assert.equal("fresh", token, tostring(token_error))
            assert.equal(200, answer and answer.status, tostring(api_error))
        end

        local function check_failed(proxy, scheme, server, more)
            local token, answer, token_error, api_error = through(proxy, scheme, server, more)
            assert.is_nil(token)
            assert.is_nil(answer)
            return token_error, api_error
        end

        local function check_untold(log)
            for _, mark in ipairs({ SECRET, TOKEN, "Bearer" }) do
                assert.is_nil(log:find(mark, 1, true))
            end
        end

        check("forwards by http", function()
            local server, proxy = start("answers", "send", GOOD), start("proxy")
            check_served(proxy:url(), "http", server)
            local log = proxy:log()
            assert.truthy(log:find("POST http://token.groove.test:", 1, true))
            assert.truthy(log:find("GET http://api.groove.test:", 1, true))
        end)

        check("tunnels TLS, and is told nothing but the host", function()
            local server, proxy = start_tls("right", "answers", "send", GOOD), start("proxy")
            check_served(proxy:url(), "https", server)
            local log = proxy:log()
            assert.truthy(log:find("CONNECT token.groove.test:", 1, true))
            assert.truthy(log:find("CONNECT api.groove.test:", 1, true))
            assert.is_nil(log:find("POST", 1, true))
            check_untold(log)
        end)

        check("tunnels TLS to the wrong place, which is seen", function()
            local server, proxy = start_tls("elsewhere", "answers", "send", GOOD), start("proxy")
            for _, err in ipairs({ check_failed(proxy:url(), "https", server) }) do
                assert.equal("tls_failed", err.code)
            end
            check_untold(proxy:log() .. server:log())
        end)

        check("wants to know by whom it is used, and nobody else hears of that", function()
            local plain = start("answers", "send", GOOD)
            local secure = start_tls("right", "answers", "send", GOOD)
            local proxy = start("proxy", "me:" .. PASSWORD .. "@/")
            local right = proxy:url():gsub("//", "//me:" .. PASSWORD .. "%%40%%2F@")
            local wrong = proxy:url():gsub("//", "//me:not-" .. PASSWORD .. "@")
            check_served(right, "http", plain)
            check_served(right, "https", secure)
            assert.is_nil((plain:log() .. secure:log()):lower():find("proxy-auth", 1, true))
            for _, url in ipairs({ wrong, proxy:url() }) do
                for _, err in ipairs({ check_failed(url, "https", secure) }) do
                    assert.equal("transport", err.kind)
                end
                local token, answer, err = through(url, "http", plain)
                assert.is_nil(token)
                assert.equal("http_407", err.code)
                assert.equal(407, answer.status)
            end
        end)

        check("refuses, breaks off, says nonsense, or does not end", function()
            local server = start_tls("right", "answers", "send", GOOD)
            local HUGE = "Content-Length: 99999999999\\r\\n\\r\\n"
            local ASK = "HTTP/1.1 407 No\\r\\nProxy-Authenticate: Basic realm=x\\r\\n"
            for _, case in ipairs({
                { "transport", "send", network.answer("no", "", 403) },
                { "transport", "send", network.answer("no", "", 407) },
                { "transport", "send", network.answer("no", "Retry-After: 9\\r\\n", 502) },
                { "transport", "send", network.answer("", "Location: http://a.test/\\r\\n", 302) },
                { "transport", "send", "HTTP/1.1 200 Go" },
                { "transport", "send", "" },
                { "transport", "send", "\\x00\\xff nonsense\\r\\n\\r\\n" },
                { "transport", "send", "HTTP/1.1 200 Go on\\r\\n\\r\\n" },
                { "transport", "send", "HTTP/1.1 200 Go on\\r\\n\\r\\n", "send", GOOD },
                { "transport", "send", "HTTP/1.1 200 Go on\\r\\n\\r\\n", "repeat", "nonsense" },
                { "transport", "send", "HTTP/1.1 200 Go on\\r\\n", "repeat", "A: b\\r\\n" },
                { "transport", "repeat", "HTTP/1.1 100 Go on\\r\\n\\r\\n" },
                { "transport", "send", "HTTP/1.1 403 No\\r\\n" .. HUGE, "repeat", "nonsense" },
                { "transport", "send", ASK .. HUGE, "repeat", "nonsense" },
                { "timeout", "send", "HTTP/1.1 200 Go on\\r\\n\\r\\n", "hold" },
                { "timeout", "drip", "HTTP/1.1 200 Go on\\r\\n\\r\\n" },
                { "timeout", "hold" },
            }) do
                local proxy = start("answers", case[2], case[3], case[4], case[5])
                local url = proxy:url():gsub("//", "//me:" .. PASSWORD .. "@")
                local more = case[1] == "timeout" and { timeout = SHORT }
                for _, err in ipairs({ check_failed(url, "https", server, more) }) do
                    assert.equal(case[1], err.kind, table.concat(case, " "))
                end
                check_untold(proxy:log())
                proxy:stop()
            end
            assert.equal("", server:log())
            check_goes_on()
        end)

        check("is not there", function()
            local server = start("answers", "send", GOOD)
            local gone, full = start("proxy"), start("full")
            gone:stop()
            for _, err in ipairs({ check_failed(gone:url(), "http", server) }) do
                assert.equal("connect_failed", err.code)
            end
            for _, err in ipairs({ check_failed(full:url(), "http", server,
                { connect_timeout = SHORT }) }) do
                assert.equal("connect_timeout", err.code)
            end
            assert.equal("", server:log())
        end)

        check("speaks TLS, and is trusted as the system trusts", function()
            local server = start_tls("right", "answers", "send", GOOD)
            local proxy = start_tls("right", "proxy", "me:" .. PASSWORD)
            local url = proxy:url("https"):gsub("//", "//me:" .. PASSWORD .. "@")
            for _, err in ipairs({ check_failed(url, "https", server) }) do
                assert.equal("tls_failed", err.code)
            end
            assert.is_nil(proxy:log():find("CONNECT", 1, true))
            if not shell.read(BUNDLE) or not shell.succeeds("unshare -m true 2>/dev/null") then
                return
            end
            local trusting = ("unshare -m sh -c 'mount --bind %s/ca.pem %s && exec \"$@\"' sh")
                :format(folder, BUNDLE)
            assert.equal("fresh\n", child_says(trusting, server:url("https", TOKENS), url))
            assert.truthy(proxy:log():find("CONNECT token.groove.test:", 1, true))
            check_untold(proxy:log())
        end)

        check("stands in the environment, as others do: it is not asked", function()
            local server = start_tls("right", "answers", "send", GOOD)
            local proxy = start("proxy")
            local words = { "env" }
            for _, name in ipairs({ "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                "ALL_PROXY" }) do
                words[#words + 1] = name .. "=" .. proxy:url()
            end
            for _, name in ipairs({ "SSL_CERT_FILE", "CURL_CA_BUNDLE" }) do
                words[#words + 1] = ("%s=%s/ca.pem"):format(name, folder)
            end
            words[#words + 1] = ("SSL_CERT_DIR=%s HOME=%s"):format(folder, folder)
            shell.write(folder .. "/.netrc", "default login me password " .. PASSWORD .. "\n")
            local command = table.concat(words, " ")
            -- an address that is meant for documents only (RFC 5737)
            local code = child_says(command, "https://192.0.2.1", nil, SHORT)
            assert.truthy(code == "connect_timeout\n" or code == "connect_failed\n", code)
            assert.equal("", proxy:log())
            assert.equal("tls_failed\n", child_says(command, server:url("https")))
            -- nor is it asked for whom a proxy that was given is not to be used
            for _, name in ipairs({ "no_proxy", "NO_PROXY" }) do
                assert.equal("tls_failed\n", child_says("env " .. name .. "='*'",
                    server:url("https", TOKENS), proxy:url(), LONG))
            end
            assert.truthy(proxy:log():find("CONNECT token.groove.test:", 1, true))
            local plain = start("answers", "send", GOOD)
            assert.equal("fresh\n", child_says(command, plain:url()))
            assert.is_nil(plain:log():find("Authorization", 1, true))
        end)
    end)

    if THREADLESS then return end

    check("is the same without the engine's thread, as far as TLS and proxies go", function()
        local said = shell.must(("SPEC_THREADLESS=1 timeout -k 5 100 %s tools/busted.lua "
            .. "--output=TAP --filter='with TLS' --filter='with a proxy' spec/network_spec.lua")
            :format(shell.interpreter))
        local _, count = said:gsub("%f[%w]ok %d+ %- a network with", "")
        assert.is_true(count >= 17, said)
        assert.is_nil(said:find("not ok", 1, true), said)
    end)
end)
