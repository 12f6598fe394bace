local core = require("groove.core")
local groove = require("groove")
local api = require("spec.support.api")

local PAGE = '{"Tracks":{"Items":[{"Id":"music.1","Name":"One"}]}}'

local function urls(seen)
    local list = {}
    for i, request in ipairs(seen) do
        list[i] = request.url:gsub("^https://api.test", "")
    end
    return list
end

describe("a client", function()
    it("searches", function()
        local client, seen = api.client({ PAGE })
        local page, err = client:search("daft punk", { max_items = 5 })
        assert.is_nil(err)
        assert.equal("One", page.Tracks.Items[1].Name)
        assert.equal("GET", seen[1].method)
        assert.same({ "/1/content/music/search?q=daft+punk&maxItems=5" }, urls(seen))
        assert.same({ Accept = "application/json", Authorization = "Bearer spec-token" },
            seen[1].headers)
    end)

    it("adds paths to an API below a path", function()
        local client, seen = api.client({ PAGE }, { api_url = "https://gateway.test:8443/groove/" })
        client:search("x")
        assert.equal("https://gateway.test:8443/groove/1/content/music/search?q=x", seen[1].url)
    end)

    it("refuses before sending what the service would refuse", function()
        local client, seen = api.client({ PAGE })
        local page, err = client:search("x", { max_items = 42 })
        assert.is_nil(page)
        assert.equal("argument", err.kind)
        assert.equal("max_items", err.argument)
        page, err = client.async:search("x", { max_items = 42 }):result()
        assert.is_nil(page)
        assert.equal("max_items", err.argument)
        assert.equal(0, #seen)
    end)

    it("raises at the caller's line, blocking or not", function()
        local client, opts = api.client({ PAGE }), { max_item = 1 }
        local line = debug.getinfo(1, "l").currentline + 2
        for _, fn in ipairs({
            function() client:search("x", opts) end, function() client.async:search("x", opts) end,
        }) do
            local text, position = api.raised(fn)
            assert.equal("client:search: unknown option 'max_item'", text)
            assert.matches("client_spec.lua:" .. line .. ":$", position)
        end
    end)

    it("tells a mistaken call", function()
        local client = api.client({ PAGE })
        assert.equal("client:search: not a client; call it with a colon",
            (api.raised(client.search, "x")))
        assert.equal("client.async:search: call it with a colon",
            (api.raised(client.async.search, "x")))
        for _, name in ipairs({ "info", "close" }) do
            assert.equal("client:" .. name .. ": not a client; call it with a colon",
                (api.raised(client[name], {})))
        end
    end)

    it("looks up more ids than one request holds, in the caller's order", function()
        local ids = {}
        for i = 1, 13 do
            ids[i] = "music." .. ("%036d"):format(i)
        end
        local client, seen = api.client({ function(request)
            local items = {}
            for id in request.url:match("/content/(.*)/lookup"):gmatch("[^+]+") do
                items[#items + 1] = '{"Id":"' .. id .. '"}'
            end
            return '{"Tracks":{"Items":[' .. table.concat(items, ",")
                .. '],"TotalItemCount":' .. #items .. '},"Culture":"en-US"}'
        end })
        local page, err = client:lookup(ids)
        assert.is_nil(err)
        assert.equal(3, #seen)
        for i, item in ipairs(page.Tracks.Items) do
            assert.equal(ids[i], item.Id)
        end
        assert.equal(13, #page.Tracks.Items)
        assert.equal(13, page.Tracks.TotalItemCount)
        assert.equal("en-US", page.Culture)
    end)

    describe("with a lookup in several requests", function()
        local ids = { ("a"):rep(200), ("b"):rep(200), ("c"):rep(200) }

        local function body(id)
            return '{"Albums":{"Items":[{"Id":"' .. id .. '","Tracks":{"Items":[{"Id":"' .. id
                .. '1"}],"ContinuationToken":"T' .. id .. '"}}]}}'
        end

        it("returns what it has when one fails", function()
            local client, seen = api.client({ body("a"), api.failure(500, "INTERNAL_ERROR") })
            local page, err = client:lookup(ids)
            assert.equal(1, #page.Albums.Items)
            assert.equal("INTERNAL_ERROR", err.code)
            assert.equal(2, #seen)
        end)

        it("says that some ids are unknown, as one request would", function()
            local nothing = api.failure(404, "CATALOG_NO_RESULT")
            local client = api.client({ nothing, body("b"), nothing })
            local page, err = client:lookup(ids)
            assert.equal("CATALOG_NO_RESULT", err.code)
            assert.equal("b", page.Albums.Items[1].Id)
            client = api.client({ nothing })
            page, err = client:lookup(ids)
            assert.is_nil(page)
            assert.is_true(err.no_result)
        end)

        it("keeps the error beside one request's results, and sends the others", function()
            local beside = body("a"):sub(1, -2) .. ',"Error":{"ErrorCode":"CATALOG-INVALID-DATA"}}'
            local client, seen = api.client({ beside, body("b"), body("c") })
            local page, err = client:lookup(ids)
            assert.equal("CATALOG_INVALID_DATA", err.code)
            assert.equal(3, #page.Albums.Items)
            assert.equal(3, #seen)
        end)

        it("continues a list by the request that it came from", function()
            local client, seen = api.client({ body("a"), body("b"), body("c"),
                '{"Albums":{"Items":[{"Id":"b","Tracks":{"Items":[{"Id":"b2"}]}}]}}' })
            local page = client:lookup(ids)
            local items = client:collect("Albums.2.Tracks", page)
            assert.equal("b1", items[1].Id)
            assert.equal("b2", items[2].Id)
            assert.equal("/1/content/" .. ids[2] .. "/lookup?continuationToken=Tb", urls(seen)[4])
        end)

        it("has no text of it", function()
            local client = api.client({ "<a/>" })
            local _, err = client:lookup(ids, { format = "xml" })
            assert.equal("ids", err.argument)
        end)
    end)

    it("returns the text of XML", function()
        local client, seen = api.client({ "<Tracks/>" })
        assert.equal("<Tracks/>", client:search("x", { format = "xml" }))
        assert.equal("application/xml", seen[1].headers.Accept)
    end)

    it("makes derived clients that share everything else", function()
        local client, seen = api.client({ PAGE }, { country = "FR", language = "fr" })
        local other = assert(client:with({ country = "US", user_token = "user's" }))
        other:search("x")
        client:search("x")
        other:with({ user_token = false }):search("x")
        assert.same({
            "/1/content/music/search?q=x&country=US&language=fr",
            "/1/content/music/search?q=x&country=FR&language=fr",
            "/1/content/music/search?q=x&country=US&language=fr",
        }, urls(seen))
        assert.equal("Bearer user's", seen[1].headers.Authorization)
        assert.equal("Bearer spec-token", seen[2].headers.Authorization)
        assert.equal("Bearer spec-token", seen[3].headers.Authorization)
        local _, err = client:with({ country = "USA" })
        assert.equal("country", err.argument)
        assert.equal("client:with: unknown option 'client_id'",
            (api.raised(client.with, client, { client_id = "x" })))
    end)

    it("sends exactly one token, the user's where there is one", function()
        local client, seen = api.client({ PAGE }, { user_token = "default user's" })
        client:search("x")
        client:search("x", { user_token = "another's" })
        client:search("x", { user_token = function() return "function's" end })
        client:search("x", { user_token = groove.static_token("source's") })
        client:search("x", { user_token = false })
        local sent = {}
        for i, request in ipairs(seen) do
            sent[i] = request.headers.Authorization:match("^Bearer (.*)$")
        end
        assert.same({ "default user's", "another's", "function's", "source's", "spec-token" }, sent)
    end)

    it("asks a user's token function no more often than it has to", function()
        local count = 0
        local function give()
            count = count + 1
            return "t" .. count, 3600
        end
        local client, seen = api.client({ PAGE })
        client:search("x", { user_token = give })
        client:search("x", { user_token = give })
        assert.equal("Bearer t1", seen[2].headers.Authorization)
        assert.equal(1, count)
    end)

    it("forgets a call's token function", function()
        local client = api.client({ PAGE })
        local seen = setmetatable({}, { __mode = "k" })
        for i = 1, 20 do
            local function give()
                return "token " .. i
            end
            seen[give] = true
            client:search("x", { user_token = give })
        end
        collectgarbage()
        collectgarbage()
        local left = 0
        for _ in pairs(seen) do
            left = left + 1
        end
        assert.is_true(left <= 1, left .. " are left")
    end)

    it("does not need an application's token where it has a user's", function()
        local client = assert(groove.new({ api_url = "https://api.test", user_token = "u",
            transport = function() return { status = 200, body = PAGE } end }))
        assert.is_table(client:search("x"))
        assert.equal("u", client:token())
    end)

    it("refuses tokens that would break out of a header", function()
        local client, seen = api.client({ PAGE })
        local _, err = client:search("x", { user_token = "hush\r\nX: y" })
        assert.equal("user_token", err.argument)
        assert.is_nil(tostring(err):find("hush"))
        _, err = client:search("x", { user_token = function() return "hush\n" end })
        assert.equal("invalid_token", err.code)
        assert.equal(0, #seen)
    end)

    it("puts the token into the query where told so", function()
        local client, seen = api.client({ PAGE }, { token_in = "query" })
        client:search("x")
        assert.equal("/1/content/music/search?q=x&accessToken=Bearer%20spec-token", urls(seen)[1])
        assert.is_nil(seen[1].headers.Authorization)
    end)

    it("builds without sending, and parses", function()
        local client, seen = api.client({ PAGE })
        local id = ("i"):rep(32)
        local built = client:build("preview", "music.1", { client_instance_id = id })
        assert.equal("https://api.test/1/content/music.1/preview?clientInstanceId=" .. id,
            built.url)
        assert.equal("GET", built.method)
        assert.equal("Bearer spec-token", built.headers.Authorization)
        assert.is_nil(built.body)
        local page = client:parse("search", { status = 200, body = PAGE })
        assert.equal("One", page.Tracks.Items[1].Name)
        local _, err = client:parse("search", api.failure(404, "CATALOG-NO-RESULT"))
        assert.is_true(err.no_result)
        assert.equal(0, #seen)
        _, err = client:build("lookup", { ("a"):rep(200), ("b"):rep(200) })
        assert.equal("ids", err.argument)
        assert.equal("client:build: there is no method 'searches'",
            (api.raised(client.build, client, "searches", "x")))
        assert.equal("client:build (search): unknown option 'max'",
            (api.raised(client.build, client, "search", "x", { max = 1 })))
        assert.equal("client:parse: response.status must be an integer, got nil",
            (api.raised(client.parse, client, "search", {})))
        assert.equal("client:parse: response.headers must be a table, got string",
            (api.raised(client.parse, client, "search", { status = 200, headers = "a: b" })))
    end)

    it("parses with a request that it has not built, and with one that has the token elsewhere",
        function()
            local client = api.client({ PAGE }, { token_in = "query" })
            assert.is_table(client:parse("search", { status = 200, body = PAGE }, {}).Tracks)
            local echo = { status = 400, body = '{"Error":{"ErrorCode":"X","Message":"'
                .. api.token .. '"}}' }
            local _, err = client:parse("search", echo, client:build("search", "x"))
            assert.equal("X", err.code)
            assert.is_nil(tostring(err):find(api.token, 1, true))
        end)

    it("sends what no method covers", function()
        local client, seen = api.client({ "{}" }, { country = "FR" })
        assert.same({}, client:send({ path = "/1/content/music/spotlight" }))
        client:send({ path = "/2/x", query = { q = "a b", list = { "a", "b" }, country = "US" } })
        client:send({ path = "/1/y", method = "POST", body = { Id = "z" }, timeout = 3 })
        assert.same({
            "/1/content/music/spotlight?country=FR",
            "/2/x?country=US&list=a+b&q=a+b",
            "/1/y?country=FR",
        }, urls(seen))
        assert.equal('{"Id":"z"}', seen[3].body)
        assert.equal("application/json", seen[3].headers["Content-Type"])
        assert.equal("POST", seen[3].method)
        for _, path in ipairs({ "x", "/a/../b", "/a?b", "/a b", "/\r\n" }) do
            local _, err = client:send({ path = path })
            assert.equal("path", err.argument)
        end
        local _, err = client:send({ path = "/a", query = { accessToken = "Bearer x" } })
        assert.equal("query", err.argument)
        assert.equal(3, #seen)
        client:send({ path = "/a", query = { continuationToken = "T" } })
        assert.equal("/a?continuationToken=T", urls(seen)[4])
        assert.equal("client:send: path must be a string, got nil",
            (api.raised(client.send, client, {})))
        assert.equal("client:send: unknown option 'url'",
            (api.raised(client.send, client, { path = "/", url = "x" })))
    end)

    it("takes another JSON library", function()
        local client = api.client({ "anything null" }, { json = {
            decode = function(text) return { text = text, gone = "NULL" } end,
            encode = function() return "encoded" end, null = "NULL",
        } })
        assert.same({ text = "anything null" }, client:search("x"))
    end)

    it("has its source's token", function()
        local client = api.client({ PAGE })
        assert.equal("spec-token", client:token())
        assert.equal("spec-token", client:token({ wait = false }))
        assert.equal("Bearer spec-token", client:authorization())
        assert.equal("spec-token", client:refresh({ timeout = 1 }))
        assert.is_true(client:wait_ready(1))
        assert.equal("ready", client:info().state)
        assert.is_false(client:invalidate("spec-token"))
        assert.equal("spec-token", (client.async:token():wait()))
        assert.equal("client:token: unknown option 'timout'",
            (api.raised(client.token, client, { timout = 1 })))
    end)

    it("has every method in async, with the same outcome", function()
        local client = api.client({ PAGE })
        for _, name in ipairs({
            "search", "lookup", "preview", "build", "send", "next_page", "collect", "token",
            "authorization", "refresh", "wait_ready",
        }) do
            assert.is_function(client.async[name], name)
            assert.is_function(client[name], name)
        end
        local page
        client.async:search("x"):on_done(function(value) page = value end)
        groove.dispatch(1)
        assert.equal("One", page.Tracks.Items[1].Name)
        assert.equal(1, #client.async:collect("Tracks", page):wait())
    end)

    it("ends with everything that was made of it", function()
        local client = api.client({ PAGE }, { transport = nil })
        local other = client:with({ country = "US" })
        client:close()
        client:close()
        for _, it in ipairs({ client, other }) do
            assert.equal("client:search: the client is closed", (api.raised(it.search, it, "x")))
            assert.equal("client:token: the client is closed", (api.raised(it.token, it)))
            assert.equal("client:with: the client is closed", (api.raised(it.with, it, {})))
            assert.equal("client:each: the client is closed",
                (api.raised(it.each, it, "Tracks", {})))
            assert.equal("closed", it:info().state)
            assert.matches("closed", tostring(it))
        end
    end)

    it("leaves a source open that it was given", function()
        local source = groove.static_token("t")
        local client = api.client({ PAGE }, { source = source })
        client:close()
        assert.equal("t", source:token())
        client = api.client({ PAGE }, { source = source })
        source:close()
        assert.equal("client:search: the client's source is closed",
            (api.raised(client.search, client, "x")))
    end)

    it("ends calls under way as cancelled", function()
        local client = assert(groove.new({
            api_url = "http://127.0.0.1:1", source = groove.static_token("t"),
        }))
        local call = client.async:search("x")
        client:close()
        local _, err = call:result()
        assert.equal("cancelled", err.kind)
    end)

    it("shows hosts, and nothing secret", function()
        local client = assert(groove.new({
            api_url = "https://api.test", token_url = "https://t.test/token", client_id = "id",
            client_secret = "hush-secret", user_token = "hush-token",
        }))
        assert.equal("groove.client (api.test)", tostring(client))
        local seen = {}
        local function walk(value)
            assert.is_nil(tostring(value):find("hush", 1, true))
            if type(value) == "table" and not seen[value] then
                seen[value] = true
                for k, v in pairs(value) do
                    walk(k)
                    walk(v)
                end
            end
        end
        walk(client)
        client:close()
    end)

    it("keeps its owner alive", function()
        local owner = {}
        local weak = setmetatable({ owner }, { __mode = "v" })
        local client = api.client({ PAGE }, { _owner = owner })
        local other = client:with({})
        owner, client = nil, nil -- luacheck: ignore 311
        collectgarbage()
        assert.is_table(weak[1])
        assert.is_table(other:search("x"))
    end)

    it("waits by suspend where it has one", function()
        local asked = 0
        local client = assert(groove.new({
            api_url = "http://127.0.0.1:1", source = groove.static_token("t"), timeout = 2,
            suspend = function(call, seconds)
                asked = asked + 1
                call._op:wait(seconds)
            end,
        }))
        local page, err = client:search("x")
        assert.is_nil(page)
        assert.is_truthy(err.kind == "transport" or err.kind == "timeout")
        assert.is_true(asked > 0)
        client:close()
    end)

    it("ends in time when nobody answers", function()
        local client = assert(groove.new({
            api_url = "http://127.0.0.1:1", source = groove.static_token("t"),
        }))
        local before = core.now()
        local _, err = client:search("x", { timeout = 0.3 })
        assert.is_truthy(err.kind == "transport" or err.kind == "timeout")
        assert.is_true(core.now() - before < 1)
        client:close()
    end)

    it("returns what its source cannot do, and defaults it cannot use", function()
        local client, err = groove.new({ api_url = "https://api.test", token_url = "https://t.test",
            client_secret_env = "GROOVE_NOT_SET" })
        assert.is_nil(client)
        assert.equal("secret_missing", err.code)
        client, err = groove.new({
            api_url = "https://api.test", user_token = "u", country = "USA",
        })
        assert.is_nil(client)
        assert.equal("country", err.argument)
    end)
end)

describe("a client of the sandbox", function()
    local sandbox, client

    setup(function()
        sandbox = assert(groove.sandbox())
        client = assert(sandbox:client({ client_instance_id = ("i"):rep(40) }))
    end)

    teardown(function()
        client:close()
        sandbox:stop()
    end)

    it("searches, pages, looks up and previews", function()
        local page = assert(client:search("a", { filters = "tracks", max_items = 5 }))
        assert.equal(5, #page.Tracks.Items)
        local items = assert(client:collect("Tracks", page, nil, { limit = 12 }))
        assert.equal(12, #items)
        local track = items[12]
        local found = assert(client:lookup({ track.Id, track.Album.Id }, { extras = { "tracks" } }))
        assert.equal(track.Name, found.Tracks.Items[1].Name)
        assert.equal(track.Album.Name, found.Albums.Items[1].Name)
        assert.matches("^http", assert(client:preview(track.Id)).Url)
    end)

    it("says what was not found", function()
        local page, err = client:search("zzzzqqqq no such thing")
        assert.is_nil(page)
        assert.equal("api", err.kind)
        assert.equal("CATALOG_NO_RESULT", err.code)
        assert.is_true(err.no_result)
    end)

    it("has many calls in flight", function()
        local finished, failed = 0, nil
        for i = 1, 40 do
            client.async:search("a", { max_items = 1 + i % 5 }):on_done(function(page, err)
                finished = finished + 1
                failed = failed or not page and err
            end)
        end
        local deadline = core.now() + 10
        while finished < 40 and core.now() < deadline do
            groove.dispatch(0.01)
        end
        assert.equal(40, finished)
        assert.is_falsy(failed)
    end)

    it("renews a token that the API calls expired", function()
        local before = client:info().generation
        local fault = sandbox:fault({ on = "api", status = 401, times = 1,
            body = '{"Error":{"ErrorCode":"ACCESS_TOKEN_EXPIRED"}}' })
        assert.is_table(client:search("a"))
        fault:clear()
        assert.equal(before + 1, client:info().generation)
    end)

    it("gets over a short outage of the API", function()
        local fault = sandbox:fault({ on = "api", status = 503, retry_after = 0, times = 2 })
        assert.is_table(client:search("a"))
        fault:clear()
        fault = sandbox:fault({ on = "api", close = true, times = 1 })
        assert.is_table(client:search("a"))
        fault:clear()
    end)

    it("meets answers that are none", function()
        for _, body in ipairs({ "<html>not JSON</html>", '{"Tracks":' }) do
            local fault = sandbox:fault({ on = "api", body = body, times = 1 })
            local page, err = client:search("a")
            fault:clear()
            assert.is_nil(page)
            assert.equal("transport", err.kind)
            assert.equal("invalid_response", err.code)
        end
    end)

    it("ends the calls of the clients that with made of it", function()
        local waits = 0
        local base = api.client({ function() waits = waits + 1 return "{}" end })
        local other = base:with({ country = "US" })
        local call = other.async:send({ path = "/1/x" })
        assert.is_true(call:done())
        base:close()
        assert.matches("closed", (api.raised(other.search, other, "x")))
        assert.equal(1, waits)
    end)

    it("leaves a user's source open, and tells when that is closed", function()
        local user = groove.static_token("abc")
        local own = groove.new({ api_url = "https://api.test", user_token = user })
        own:close()
        assert.is_false(user:closed())
        own = api.client({ "{}" }, { user_token = user })
        user:close()
        assert.matches("closed", (api.raised(own.search, own, "x")))
    end)

    it("ends what its derived clients have under way", function()
        local own = sandbox:client()
        assert(own:token())
        local fault = sandbox:fault({ on = "api", delay = 2 })
        local call = own:with({ country = "US" }).async:search("love")
        assert.is_false(call:done())
        own:close()
        assert.equal("cancelled", select(2, call:result()).kind)
        fault:clear()
    end)

    it("tells the service's error, also where XML was asked for", function()
        local own = sandbox:client()
        local text, err = own:lookup("music.nothing", { format = "xml" })
        assert.is_nil(text)
        assert.equal("CATALOG_NO_RESULT", err.code)
        assert.is_true(err.no_result)
        own:close()
    end)

    it("keeps it alive, however it was made", function()
        local lonely = groove.new(groove.sandbox():options())
        collectgarbage()
        collectgarbage()
        assert(lonely:search("love"))
        lonely:close()
    end)
end)
