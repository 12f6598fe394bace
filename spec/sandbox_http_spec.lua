-- Users of a sandbox that is a server: the same as without one, over HTTP.

local core = require("groove.core")
local groove = require("groove")
local json = require("cjson")
local stand_in = require("spec.support.stand_in")
local text = require("groove.sandbox.text")

local TRACK = "music.A83EB907-0100-11DB-89CA-0019B92A3933"

describe("a sandbox's user", function()
    local sandbox, token

    setup(function()
        sandbox = assert(groove.sandbox({ collection_limit = 150, playlist_limit = 3 }))
        token = assert(sandbox:user_token("ann"))
    end)

    teardown(function()
        sandbox:stop()
    end)

    local function ask(method, target, body)
        local op = core.request({
            method = method, url = sandbox.api_url .. target, body = body and json.encode(body),
            headers = {
                "Authorization: Bearer " .. token, body and "Content-Type: application/json" or nil,
            },
            timeout = 5,
        })
        op:wait()
        return assert(op:result())
    end

    local function post(path, body)
        local answer = ask("POST", "/1/content/music/" .. path, body)
        return json.decode(answer.body), answer.status
    end

    local function get(target)
        local answer = ask("GET", target)
        return json.decode(answer.body), answer.status
    end

    it("has a collection that lasts from one request to the next", function()
        local ids = stand_in.ids_of(stand_in.tracks(100))
        local answer = post("collection/add", { TrackIds = ids })
        assert.equal(100, #answer.TrackActionResults)
        local profile = get("/1/user/music/profile")
        assert.equal(100, profile.Collection.TrackCount)
        assert.equal(50, profile.Collection.RemainingTrackCount)
        local first = get("/1/content/music/collection/tracks/browse?orderBy=CollectionDate")
        assert.equal("Collection", first.Tracks.Items[1].Source)
        assert.equal(100, first.Tracks.TotalItemCount)
        answer = post("collection/delete", { TrackIds = { first.Tracks.Items[1].Id } })
        assert.is_nil(answer.Error)
        assert.equal(99, get("/1/user/music/profile").Collection.TrackCount)
    end)

    it("has playlists, within the limits that were set", function()
        local answer = post("collection/playlists/create", { Name = "x", TrackActions = {
            { Id = TRACK, Action = "Add" }, { Id = TRACK, Action = "Add" },
            { Id = TRACK, Action = "Add" }, { Id = TRACK, Action = "Add" },
        } })
        local results = answer.PlaylistActionResult.TrackActionResults
        assert.equal("COLLECTION_PLAYLIST_FULL", stand_in.code_of(results[4]))
        local _, status = post("collection/playlists/update", {
            Id = answer.PlaylistActionResult.Id, Name = "y", CollectionStateToken = "3",
        })
        assert.equal(409, status)
    end)

    it("has radios whose sessions come through an address whole", function()
        local seed = { Id = "Pop", Type = "Genre" }
        local radio = post("radio/create?maxItems=2", { Seeds = { seed } })
        local answer, status =
            get("/1/content/music/radio/" .. text.escape(radio.SessionId) .. "/next?maxItems=3")
        assert.equal(200, status)
        assert.equal(3, #answer.Tracks)
    end)

    it("has streams that play", function()
        local answer = get("/1/content/" .. TRACK .. "/stream?clientInstanceId=" .. ("x"):rep(32))
        assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", answer.ExpiresOn)
        local played = ask("GET", (answer.Url:sub(#sandbox.api_url + 1)))
        assert.equal(200, played.status)
        assert.equal("audio/mpeg", played.headers["content-type"])
        local _, status = get("/1/content/" .. TRACK .. "/stream?clientInstanceId="
            .. ("y"):rep(32))
        assert.equal(409, status)
    end)

    it("has no subscription where it is told so, and tokens that end", function()
        local own = token
        finally(function() token = own end)
        token = assert(sandbox:user_token("bob", { subscription = false, lifetime = 0.3 }))
        local ends = core.now() + 0.3
        assert.is_false(get("/1/user/music/profile").HasSubscription)
        local answer, status
        repeat
            core.sleep(0.02):wait()
            answer, status = get("/1/user/music/profile")
        until status ~= 200 or core.now() > ends + 2
        assert.equal(401, status)
        assert.equal("ACCESS_TOKEN_EXPIRED", stand_in.code_of(answer))
        assert.is_true(core.now() >= ends)
    end)

    it("is in no log with the token", function()
        get("/1/user/music/profile")
        local entries = assert(sandbox:log())
        assert.equal("Bearer ***", entries[#entries].headers.authorization)
        assert.is_nil(json.encode(entries):gsub("\\/", "/"):find(token:sub(1, 20), 1, true))
    end)

    describe("gets answers compressed", function()
        -- The client's own library undoes the compression: the curl command, unless asked to, does
        -- not.
        local function raw(method, target, body, encoding)
            local pipe = io.popen(("curl -s -i -X %s -H 'Accept-Encoding: %s' "
                .. "-H 'Content-Type: application/json' -H 'Authorization: Bearer %s' %s '%s'")
                :format(method, encoding, token, body and "-d '" .. json.encode(body) .. "'" or "",
                sandbox.api_url .. target))
            local head, content = pipe:read("*a"):match("^(.-)\r\n\r\n(.*)$")
            pipe:close()
            if not head then
                pending("needs the curl command")
            end
            assert.matches("^HTTP/1.1 200 ", head)
            return content, head:lower():match("\ncontent%-encoding: (%S+)")
        end

        local function sizes(method, target, body)
            local packed, encoding = raw(method, target, body, "gzip")
            local plain, none = raw(method, target, body, "identity")
            assert.equal("gzip", encoding)
            assert.equal("\31\139\8", packed:sub(1, 3))
            assert.is_nil(none)
            assert.is_table(json.decode(plain))
            return #packed, #plain
        end

        it("large ones", function()
            local packed, plain = sizes("GET", "/1/content/music/search?q=the")
            assert.is_true(plain > 50000 and packed < plain / 3)
        end)

        it("small ones", function()
            local _, plain = sizes("GET", "/1/user/music/profile")
            assert.is_true(plain < 500)
        end)

        it("those to a POST, large and small", function()
            local many = stand_in.ids_of(stand_in.tracks(100))
            local _, plain = sizes("POST", "/1/content/music/collection/add", { TrackIds = many })
            assert.is_true(plain > 9000)
            _, plain = sizes("POST", "/1/content/music/collection/delete", { TrackIds = { TRACK } })
            assert.is_true(plain < 500)
        end)

        it("never what plays", function()
            local answer = get("/1/content/" .. TRACK .. "/preview?clientInstanceId="
                .. ("x"):rep(32))
            local played, encoding =
                raw("GET", (answer.Url:sub(#sandbox.api_url + 1)), nil, "gzip")
            assert.is_nil(encoding)
            assert.equal(require("groove.sandbox.tone").mp3(), played)
        end)
    end)
end)
