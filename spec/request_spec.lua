local encode = require("groove.encode")
local endpoints = require("groove.endpoints")
local request = require("groove.request")
local api = require("spec.support.api")

local rows = endpoints.rows

local function plan(name, positional, defaults)
    return request.plan("client:" .. name, rows[name], defaults or {}, positional)
end

local function target(...)
    return assert(plan(...)).target
end

local function refusal(...)
    local made, err = plan(...)
    assert.is_nil(made)
    assert.equal("argument", err.kind)
    return err.argument, err.message
end

describe("request", function()
    describe("escaping", function()
        it("leaves the unreserved characters alone", function()
            assert.equal("AZaz09-._~", encode.escape("AZaz09-._~"))
        end)

        it("encodes every other byte, in capital letters", function()
            assert.equal("%2F%3F%23%25%2B%20%00%C3%A9", encode.escape("/?#%+ \0é"))
            assert.equal("a+b%2B%26%3D%C3%A9", encode.escape_query("a b+&=é"))
        end)
    end)

    it("builds the documented search", function()
        assert.equal("/1/content/music/search?q=daft+punk", target("search", { "daft punk" }))
    end)

    it("keeps the documented order, and adds nothing", function()
        assert.equal("/1/content/music/search?q=x&maxItems=10&filters=artists+albums"
            .. "&source=collection+catalog&country=US&language=en&contentType=xml",
            target("search", { "x", {
                format = "xml", language = "en", country = "US", max_items = 10,
                source = { "collection", "catalog" }, filters = { "artists", "albums" },
            } }))
    end)

    it("takes lists as texts too, in any case", function()
        assert.equal("/1/content/music/search?q=x&filters=Artists+albums",
            target("search", { "x", { filters = "Artists+albums" } }))
    end)

    it("adds the client's defaults, which a call overrides", function()
        local defaults = { country = "FR", language = "fr" }
        assert.equal("/1/content/music/search?q=x&country=US&language=fr",
            target("search", { "x", { country = "US" } }, defaults))
        assert.equal("/1/content/music/search?continuationToken=T%2B1",
            target("search", { nil, { continuation_token = "T+1" } }, defaults))
    end)

    it("does not change what it is given", function()
        local ids, opts = { "music.a", "music.b" }, { extras = { "tracks" } }
        plan("lookup", { ids, opts })
        assert.same({ "music.a", "music.b" }, ids)
        assert.same({ extras = { "tracks" } }, opts)
    end)

    it("raises on wrong types and unknown options", function()
        assert.equal("client:search: query must be a string, got number",
            (api.raised(plan, "search", { 5 })))
        assert.equal("client:search: max_items must be an integer, got number",
            (api.raised(plan, "search", { "x", { max_items = 1.5 } })))
        assert.equal("client:search: unknown option 'max_item'",
            (api.raised(plan, "search", { "x", { max_item = 1 } })))
        assert.equal("client:lookup: ids must be a string or a list of strings, got nil",
            (api.raised(plan, "lookup", {})))
        assert.equal("client:lookup: unknown option 'ids'",
            (api.raised(plan, "lookup", { "a", { ids = "b" } })))
    end)

    it("refuses what the service would refuse, and says what is allowed", function()
        local argument, message = refusal("search", { "x", { max_items = 42 } })
        assert.equal("max_items", argument)
        assert.equal("max_items must be from 1 to 25", message)
        argument, message = refusal("search", { "x", { filters = { "artists", "songs" } } })
        assert.equal("filters", argument)
        assert.equal("filters must be of artists, albums, tracks, playlists", message)
        assert.equal("filters", (refusal("search", { "x", { filters = {} } })))
        assert.equal("query", (refusal("search", { "" })))
        assert.equal("query", (refusal("search", {})))
        for _, bad in ipairs({ "e", "eng", "1x", "e\n", "\195\169" }) do
            assert.equal("language", (refusal("search", { "x", { language = bad } })))
        end
        assert.equal("format", (refusal("search", { "x", { format = "jsonp" } })))
    end)

    it("wants an instance id of 32 to 128 characters", function()
        local id = ("i"):rep(32)
        assert.equal("/1/content/music.A/preview?clientInstanceId=" .. id,
            target("preview", { "music.A", { client_instance_id = id } }))
        assert.equal("/1/content/music.A/preview?clientInstanceId=" .. id,
            target("preview", { "music.A" }, { client_instance_id = id }))
        for _, bad in ipairs({ "", id:sub(2), ("i"):rep(129) }) do
            assert.equal("client_instance_id",
                (refusal("preview", { "music.A", { client_instance_id = bad } })))
        end
        local _, message = refusal("preview", { "music.A" })
        assert.matches("is required", message)
    end)

    it("encodes ids, and refuses those that would change the path", function()
        assert.equal("/1/content/a%2Fb%3Fc%23d%2Be/lookup", target("lookup", { "a/b?c#d+e" }))
        for _, bad in ipairs({ "", ".", "..", "a\nb", "a\0" }) do
            assert.equal("ids", (refusal("lookup", { bad })))
            assert.equal("ids", (refusal("lookup", { { "ok", bad } })))
        end
        assert.equal("ids", (refusal("lookup", { {} })))
        assert.equal("id", (refusal("preview", { ".." , { client_instance_id = ("i"):rep(40) } })))
    end)

    it("splits ids by 250 characters, in order", function()
        local ids = {}
        for i = 1, 13 do
            ids[i] = "music." .. ("%035d"):format(i)
        end
        local made = assert(plan("lookup", { ids, { source = "catalog" } }))
        local again = {}
        for _, part in ipairs(made.parts) do
            local path = part.path
            local joined = path:match("^/1/content/(.*)/lookup$")
            assert.is_true(#joined <= 250)
            assert.equal(path .. "?source=catalog", part.target)
            for id in joined:gmatch("[^+]+") do
                again[#again + 1] = id
            end
        end
        assert.same(ids, again)
        assert.equal(3, #made.parts)
    end)

    it("takes exactly 250 characters in one request", function()
        local a, b = ("a"):rep(100), ("b"):rep(149)
        assert.is_nil(plan("lookup", { { a, b } }).parts)
        assert.equal(2, #plan("lookup", { { a, b .. "b" } }).parts)
        assert.equal("ids", (refusal("lookup", { ("x"):rep(251) })))
        assert.equal("ids", (refusal("lookup", { { "a", ("x"):rep(251) } })))
    end)

    it("puts the token into the header, or into the query", function()
        local made = plan("search", { "x" })
        local built = request.authorize("https://h", made, "a&b=", nil, made)
        assert.same({
            method = "GET",
            url = "https://h/1/content/music/search?q=x",
            headers = { Accept = "application/json", Authorization = "Bearer a&b=" },
        }, built)
        built = request.authorize("https://h", made, "a&b= %", "query", made)
        assert.equal("https://h/1/content/music/search?q=x&accessToken=Bearer%20a%26b%3D%20%25",
            built.url)
        assert.is_nil(built.headers.Authorization)
        built = request.authorize("https://h", { target = "/p" }, "t", "query", made)
        assert.equal("https://h/p?accessToken=Bearer%20t", built.url)
    end)

    it("finds the token again, wherever it is", function()
        local get = { row = { method = "GET" } }
        for _, token_in in ipairs({ "header", "query" }) do
            for _, address in ipairs({ "/a", "/a?b=c" }) do
                local message = request.authorize("https://api.test", { target = address },
                    "t+/ &=%", token_in, get)
                assert.equal("t+/ &=%", request.token_of(message))
            end
        end
    end)

    it("makes a query of a table, sorted", function()
        assert.equal("", request.free_query({}, {}))
        assert.equal("?a=x+y&b=1+2&country=DE&d=true", request.free_query(
            { d = true, b = { 1, 2 }, a = "x y", country = "DE" }, { country = "FR" }))
        assert.equal("?a=10&b=1+2.5&continuationToken=T", request.free_query(
            { a = 10.0, b = { 1.0, 2.5 }, continuationToken = "T" }, { country = "FR" }))
    end)

    it("refuses paths that are not what they seem", function()
        assert.is_nil(request.path_problem("/1/content/music.a+b/x%20y"))
        for _, bad in ipairs({ "", "x", "//[", "/a b", "/a?b", "/a#b", "/a/../b", "/a/./b", "/..",
            "/%2e%2E/x", "/a\r\nb", "/\\", "/100%", "/a%2" }) do
            assert.is_string(request.path_problem(bad), bad)
        end
    end)
end)
