-- groove.sandbox.server: the logic alone, request in, response out.

local json = require("cjson")
local catalogue = require("groove.sandbox.catalogue")
local stand_in = require("spec.support.stand_in")
local text = require("groove.sandbox.text")

local SECRET = stand_in.SECRET
local FORM = "application/x-www-form-urlencoded"

local new, ask = stand_in.new, stand_in.ask

local function form(fields)
    local out = {}
    for name, value in pairs(fields) do
        out[#out + 1] = text.escape(name) .. "=" .. text.escape(value)
    end
    return table.concat(out, "&")
end

local function credentials(changes)
    local fields = {
        grant_type = "client_credentials", client_id = "me & co", client_secret = SECRET,
        scope = "a.scope",
    }
    for name, value in pairs(changes or {}) do
        fields[name] = value or nil
    end
    return fields
end

local function get_token(it, changes, headers)
    headers = headers or {}
    headers["content-type"] = headers["content-type"] or FORM
    return ask(it, { method = "POST", body = form(credentials(changes)), headers = headers })
end

local function with_token(it, target, now)
    local _, answer = get_token(it)
    return ask(it, {
        target = target, headers = { authorization = "Bearer " .. answer.access_token }, now = now,
    })
end

describe("the token endpoint", function()
    it("answers as the documentation shows", function()
        local response, answer = get_token(new())
        assert.equal(200, response.status)
        assert.equal("no-store", response.headers["Cache-Control"])
        assert.equal("bearer", answer.token_type)
        assert.equal(100, answer.expires_in)
        assert.matches("^Eg[%w+/]+=*$", answer.access_token)
        assert.is_nil(answer.refresh_in)
    end)

    it("gives another token every time", function()
        local it_ = new()
        local _, one = get_token(it_)
        local _, two = get_token(it_)
        assert.is_not.equal(one.access_token, two.access_token)
    end)

    it("takes credentials by HTTP basic, form-encoded first", function()
        local basic = "Basic " .. text.base64(text.escape("me & co") .. ":" .. text.escape(SECRET))
        local response = get_token(new(), { client_id = false, client_secret = false },
            { authorization = basic })
        assert.equal(200, response.status)
    end)

    it("takes a content type with parameters, and a request without scope", function()
        local response = get_token(new(), { scope = false },
            { ["content-type"] = "Application/X-WWW-Form-Urlencoded; charset=utf-8" })
        assert.equal(200, response.status)
    end)

    local function refused(status, code, changes, headers)
        local response, answer = get_token(new(), changes, headers)
        assert.equal(status, response.status)
        assert.equal(code, answer.error)
        assert.is_nil(answer.access_token)
        return response
    end

    it("refuses a wrong client with 401", function()
        refused(401, "invalid_client", { client_secret = "a b/c=d&e%f g\195\169" })
        refused(401, "invalid_client", { client_id = "you" })
        refused(401, "invalid_client", { client_secret = false })
        local basic = "Basic " .. text.base64("me+%26+co:wrong")
        local response = refused(401, "invalid_client",
            { client_id = false, client_secret = false }, { authorization = basic })
        assert.matches("^Basic ", response.headers["WWW-Authenticate"])
        refused(401, "invalid_client", { client_id = false, client_secret = false },
            { authorization = "Basic !" })
    end)

    it("refuses what is wrong with the request with 400", function()
        refused(400, "unsupported_grant_type", { grant_type = "password" })
        refused(400, "invalid_request", { grant_type = false })
        refused(400, "invalid_scope", { scope = "another" })
        refused(400, "invalid_request", nil, { ["content-type"] = "application/json" })
        refused(400, "invalid_request", nil, { authorization = "Basic eDp5" })
    end)

    it("refuses a parameter that comes twice, and another method", function()
        local body = form(credentials()) .. "&scope=a.scope"
        local _, answer = ask(new(), {
            method = "POST", body = body, headers = { ["content-type"] = FORM },
        })
        assert.equal("invalid_request", answer.error)
        local response = ask(new(), { method = "GET" })
        assert.equal(405, response.status)
        assert.equal("POST", response.headers.Allow)
    end)

    it("spells its answer as it is told", function()
        local _, camel = get_token(new({ answer_style = "camel", refresh_in = 40 }))
        assert.matches("^Eg", camel.accessToken)
        assert.equal(100, camel.expiresIn)
        assert.equal(40, camel.refresh_in)
        assert.is_nil(camel.access_token)
        local _, older = get_token(new({ expires_as_string = true, lifetime = 600 }))
        assert.equal("600", older.expires_in)
    end)

    it("names any lifetime", function()
        for _, lifetime in ipairs({ 0, -1, 1.5, 1e300, "abc" }) do
            local _, answer = get_token(new({ lifetime = lifetime }))
            assert.equal(lifetime, answer.expires_in)
        end
        local _, answer = get_token(new({ lifetime = false }))
        assert.is_nil(answer.expires_in)
    end)
end)

describe("tokens", function()
    local function refusal(headers, target, now)
        local response, answer = ask(new(), {
            target = target or "/1/content/music/search?q=x", headers = headers, now = now,
        })
        assert.equal(401, response.status)
        return answer.Error.ErrorCode
    end

    it("are needed, whole, and only one", function()
        assert.equal("ACCESS_TOKEN_MISSING", refusal({}))
        assert.equal("ACCESS_TOKEN_INVALID", refusal({ authorization = "Bearer nonsense" }))
        assert.equal("INVALID_AUTHORIZATION_HEADER", refusal({ authorization = "Basic eDp5" }))
        assert.equal("INVALID_AUTHORIZATION_HEADER", refusal({ authorization = "Bearer x" },
            "/1/content/music/search?q=x&accessToken=Bearer%20x"))
    end)

    it("go into the query as well", function()
        local it_ = new()
        local _, answer = get_token(it_)
        local response = ask(it_, { target = "/1/content/music/search?q=daft&accessToken=Bearer%20"
            .. text.escape(answer.access_token) })
        assert.equal(200, response.status)
    end)

    it("expire", function()
        assert.equal(200, with_token(new(), "/1/content/music/search?q=daft", 1099.9).status)
        local response, answer = with_token(new(), "/1/content/music/search?q=daft", 1100)
        assert.equal(401, response.status)
        assert.equal("ACCESS_TOKEN_EXPIRED", answer.Error.ErrorCode)
    end)
end)

describe("search", function()
    it("finds what the documentation's example finds", function()
        local response, answer = with_token(new(), "/1/content/music/search?q=daft+punk")
        assert.equal(200, response.status)
        assert.equal("music.C61C0000-0200-11DB-89CA-0019B92A3933", answer.Artists.Items[1].Id)
        assert.equal("Random Access Memories", answer.Albums.Items[1].Name)
        assert.equal("en-US", answer.Culture)
        assert.is_nil(answer.Playlists)
    end)

    it("shapes its items as the service does", function()
        local _, answer = with_token(new(), "/1/content/music/search?q=lucky+daft&filters=tracks")
        local track = answer.Tracks.Items[1]
        assert.equal("00:06:09", track.Duration)
        assert.equal("2013-05-09T00:00:00Z", track.ReleaseDate)
        assert.equal(8, track.TrackNumber)
        assert.is_false(track.IsExplicit)
        assert.same({ "Pop" }, track.Genres)
        assert.equal("Catalog, Collection", track.CompatibleSources)
        assert.equal("Main", track.Artists[1].Role)
        assert.equal("Daft Punk", track.Artists[1].Artist.Name)
        assert.equal("Random Access Memories", track.Album.Name)
        assert.matches("^https://musicimage%.xboxlive%.com/content/music%.", track.ImageUrl)
        assert.matches("^QZGRV13%d%d%d%d%d$", track.OtherIds["music.isrc"])
    end)

    it("keeps to filters, maxItems, language and country", function()
        local _, answer = with_token(new(),
            "/1/content/music/search?q=the&filters=albums+Tracks&maxItems=3&language=fr&country=be")
        assert.equal(3, #answer.Albums.Items)
        assert.equal(3, #answer.Tracks.Items)
        assert.is_nil(answer.Artists)
        assert.equal("fr-BE", answer.Culture)
    end)

    it("goes on with a token, to the end", function()
        local it_ = new()
        local seen, expected = {}, catalogue.search("tracks", "night")
        local _, answer = with_token(it_,
            "/1/content/music/search?q=night&filters=tracks&maxItems=9")
        local first = answer.Tracks.TotalItemCount
        while true do
            for _, item in ipairs(answer.Tracks.Items) do seen[#seen + 1] = item.Id end
            local token = answer.Tracks.ContinuationToken
            if not token then break end
            local response
            response, answer = with_token(it_,
                "/1/content/music/search?continuationToken=" .. text.escape(token))
            assert.equal(200, response.status)
            assert.equal(json.null, answer.Albums)
        end
        assert.equal(#expected, #seen)
        assert.equal(#expected, first)
        assert.is_true(#seen > 18)
        for i, record in ipairs(expected) do assert.equal(record.id, seen[i]) end
    end)

    local function refused(code, status, target)
        local response, answer = with_token(new(), target)
        assert.equal(code, answer.Error.ErrorCode)
        assert.equal(status, response.status)
        return answer.Error
    end

    it("refuses what the service refuses", function()
        local search = "/1/content/music/search"
        refused("MISSING_INPUT_PARAMETER", 400, search)
        refused("MISSING_INPUT_PARAMETER", 400, search .. "?q=")
        refused("INVALID_INPUT_PARAMETER", 400, search .. "?q=a&maxItems=0")
        refused("INVALID_INPUT_PARAMETER", 400, search .. "?q=a&maxItems=1.5")
        refused("INVALID_INPUT_PARAMETER", 400, search .. "?q=a&filters=songs")
        refused("INVALID_COUNTRY", 400, search .. "?q=a&country=USA")
        refused("INCOMPATIBLE_INPUT_PARAMETERS", 400, search .. "?q=a&continuationToken=b")
        refused("CONTINUATION_TOKEN_INVALID_ERROR", 400, search .. "?continuationToken=b")
        refused("CATALOG_NO_RESULT", 404, search .. "?q=qqqqqq")
        refused("CATALOG_NO_RESULT", 404, "/1/nowhere")
        local err = refused("INVALID_INPUT_PARAMETER", 400, search .. "?q=a&maxItems=42")
        assert.equal("Parameter maxItems must have a value of at most 25", err.Message)
    end)

    it("refuses a token that was changed, or is another list's", function()
        local it_ = new()
        local _, answer = with_token(it_, "/1/content/music/search?q=the&filters=tracks")
        local token = answer.Tracks.ContinuationToken
        for _, bad in ipairs({ token:sub(1, -3), "A" .. token, token .. "AA" }) do
            local _, said = with_token(it_, "/1/content/music/search?continuationToken=" .. bad)
            assert.equal("CONTINUATION_TOKEN_INVALID_ERROR", said.Error.ErrorCode)
        end
        local _, said = with_token(it_,
            "/1/content/music.A83EB907-0100-11DB-89CA-0019B92A3933/lookup?continuationToken="
            .. token)
        assert.equal("CONTINUATION_TOKEN_INVALID_ERROR", said.Error.ErrorCode)
    end)

    it("needs a user for the collection", function()
        local err = refused("INVALID_AUTHORIZATION_HEADER", 401,
            "/1/content/music/search?q=a&source=collection+catalog")
        assert.equal("You need user authentication to use this API", err.Message)
    end)

    it("answers in XML where it is asked to", function()
        local response = with_token(new(), "/1/content/music/search?q=daft+punk&contentType=XML")
        assert.matches("^application/xml", response.headers["Content-Type"])
        assert.matches("^<%?xml.*<ContentResponse>.*<Artists><Items><Artist>", response.body)
    end)

    it("spells codes with dashes where it is told to", function()
        local _, answer = with_token(new({ code_style = "dashes" }),
            "/1/content/music/search?q=qqqqqq")
        assert.equal("CATALOG-NO-RESULT", answer.Error.ErrorCode)
    end)
end)

describe("lookup", function()
    local ARTIST = "music.C61C0000-0200-11DB-89CA-0019B92A3933"
    local ALBUM = "music.B13EB907-0100-11DB-89CA-0019B92A3933"
    local TRACK = "music.A83EB907-0100-11DB-89CA-0019B92A3933"

    local function lookup(ids, query)
        local response, answer = with_token(new(),
            "/1/content/" .. ids .. "/lookup" .. (query and "?" .. query or ""))
        return answer, response
    end

    it("finds several kinds at once, in the order of the ids", function()
        local other = catalogue.get().tracks[1].id
        local answer = lookup(table.concat({ TRACK, ARTIST, ALBUM, other }, "+"))
        assert.equal(ARTIST, answer.Artists.Items[1].Id)
        assert.equal(ALBUM, answer.Albums.Items[1].Id)
        assert.equal(TRACK, answer.Tracks.Items[1].Id)
        assert.equal(2, #answer.Tracks.Items)
        assert.is_nil(answer.Artists.Items[1].Albums)
        assert.is_string(answer.Artists.Items[1].Biography)
    end)

    it("gives the extras of each kind", function()
        local artist = lookup(ARTIST, "extras=albums+topTracks+relatedArtists").Artists.Items[1]
        assert.equal(2, #artist.Albums.Items)
        assert.is_true(#artist.TopTracks.Items > 0)
        assert.is_true(#artist.RelatedArtists.Items > 0)
        local album = lookup(ALBUM, "extras=Tracks+artistDetails").Albums.Items[1]
        assert.equal(13, #album.Tracks.Items)
        assert.is_nil(album.Tracks.ContinuationToken)
        assert.is_table(album.Artists[1].Artist.Genres)
        local track = lookup(TRACK, "extras=albumDetails").Tracks.Items[1]
        assert.equal("Columbia", track.Album.LabelName)
        assert.is_nil(track.Artists[1].Artist.Genres)
    end)

    it("pages through a list within an item, which keeps its place", function()
        local it_ = new()
        local long
        for _, album in ipairs(catalogue.get().albums) do
            long = #album.tracks > 25 and album or long
        end
        local path = "/1/content/" .. ALBUM .. "+" .. long.id .. "/lookup"
        local _, answer = with_token(it_, path .. "?extras=tracks")
        local list = answer.Albums.Items[2].Tracks
        assert.equal(25, #list.Items)
        local _, more = with_token(it_, path .. "?continuationToken=" .. list.ContinuationToken)
        assert.equal(2, #more.Albums.Items)
        assert.equal(json.null, more.Albums.Items[1].Id)
        assert.equal(#long.tracks - 25, #more.Albums.Items[2].Tracks.Items)
        assert.equal(long.tracks[26].id, more.Albums.Items[2].Tracks.Items[1].Id)
    end)

    it("gives playlists with their tracks", function()
        local list = catalogue.get().playlists[19]
        local item = lookup(list.id).Playlists.Items[1]
        assert.equal(130, item.TrackCount)
        assert.equal(25, #item.Tracks.Items)
        assert.is_string(item.Tracks.ContinuationToken)
    end)

    it("knows other identifiers", function()
        local track = catalogue.find(TRACK)
        assert.equal(TRACK, lookup("music.isrc." .. catalogue.isrc(track)).Tracks.Items[1].Id)
    end)

    it("says what it did not find, next to what it found", function()
        local answer, response = lookup("music.0000+" .. TRACK)
        assert.equal(200, response.status)
        assert.equal(TRACK, answer.Tracks.Items[1].Id)
        assert.equal("CATALOG_NO_RESULT", answer.Error.ErrorCode)
        answer, response = lookup("music.0000")
        assert.equal(404, response.status)
        assert.equal("CATALOG_NO_RESULT", answer.Error.ErrorCode)
    end)

    it("refuses bad ids, too many of them, and unknown extras", function()
        local _, response = lookup("nonsense")
        assert.equal(400, response.status)
        _, response = lookup(("music.0123456789+"):rep(16))
        assert.equal(400, response.status)
        _, response = lookup(TRACK, "extras=lyrics")
        assert.equal(400, response.status)
        _, response = lookup(TRACK, "source=collection")
        assert.equal(401, response.status)
    end)
end)

describe("preview", function()
    local PATH = "/1/content/music.A83EB907-0100-11DB-89CA-0019B92A3933/preview"

    it("gives the address of a tone", function()
        local it_ = new()
        local _, answer = with_token(it_, PATH .. "?clientInstanceId=" .. ("x"):rep(32))
        assert.equal("audio/mp3", answer.ContentType)
        local target = answer.Url:match("^http://127%.0%.0%.1:1(/.+)$")
        local response = ask(it_, { target = target })
        assert.equal("audio/mpeg", response.headers["Content-Type"])
        -- MPEG-2 layer III, from the first frame on
        assert.equal("\255\243", response.body:sub(1, 2))
        assert.is_true(#response.body > 3000)
    end)

    it("needs a client instance id of 32 to 128 characters, and a track", function()
        for query, status in pairs({ [""] = 400, ["x=1"] = 400,
            ["clientInstanceId=" .. ("x"):rep(31)] = 400,
            ["clientInstanceId=" .. ("x"):rep(129)] = 400,
            ["clientInstanceId=" .. ("x"):rep(128)] = 200 }) do
            assert.equal(status, with_token(new(), PATH .. "?" .. query).status)
        end
        local album = PATH:gsub("A83EB907", "B13EB907")
        assert.equal(404,
            with_token(new(), album .. "?clientInstanceId=" .. ("x"):rep(32)).status)
    end)
end)

describe("faults", function()
    local function faulty(...)
        local it_ = new()
        for _, spec in ipairs({ ... }) do
            spec.on = spec.on or "token"
            it_:control({ op = "fault", fault = spec })
        end
        return it_
    end

    it("meet requests in the order of their creation, so often as they are told", function()
        local it_ = faulty({ status = 503, times = 1 }, { delay = 2, times = 2 },
            { retry_after = 5, times = 1 })
        local first, second = get_token(it_), get_token(it_)
        local third, fourth = get_token(it_), get_token(it_)
        assert.equal(503, first.status)
        assert.is_nil(first.delay)
        assert.equal(429, second.status)
        assert.equal("5", second.headers["Retry-After"])
        assert.equal(2, second.delay)
        assert.equal(200, third.status)
        assert.equal(2, third.delay)
        assert.is_nil(fourth.delay)
    end)

    it("meet their own endpoint only", function()
        local it_ = faulty({ on = "api", status = 500 })
        assert.equal(200, get_token(it_).status)
        local response, answer = with_token(it_, "/1/content/music/search?q=daft")
        assert.equal(500, response.status)
        assert.equal("INTERNAL_SERVER_ERROR", answer.Error.ErrorCode)
    end)

    it("add delays up", function()
        assert.equal(3.5, get_token(faulty({ delay = 3 }, { delay = 0.5 })).delay)
    end)

    it("can be cleared, twice as well", function()
        local it_ = faulty({ status = 500 })
        it_:control({ op = "clear", id = 1 })
        it_:control({ op = "clear", id = 1 })
        assert.equal(200, get_token(it_).status)
    end)

    it("send a body as it is, or a number of bytes", function()
        local garbage = get_token(faulty({ body = "<html>no</html>" }))
        assert.equal(200, garbage.status)
        assert.equal("<html>no</html>", garbage.body)
        assert.equal("text/html", garbage.headers["Content-Type"])
        local large = get_token(faulty({ body = 1e9 }))
        assert.equal(1e9, large.stream)
        assert.is_nil(large.body)
    end)

    it("cut the usual answer, and add headers to it", function()
        local response, answer = get_token(faulty({ close = 10, headers = { ["X-A"] = "b" } }))
        assert.equal(10, response.close)
        assert.equal("b", response.headers["X-A"])
        assert.is_string(answer.access_token)
        assert.is_true(get_token(faulty({ close = true })).close)
    end)

    it("say what a service says with a status", function()
        local _, answer = get_token(faulty({ status = 401 }))
        assert.equal("invalid_client", answer.error)
        _, answer = get_token(faulty({ status = 503 }))
        assert.equal("temporarily_unavailable", answer.error)
    end)
end)

describe("the log", function()
    it("tells what was seen, without secrets and tokens", function()
        local it_ = new()
        local _, answer = get_token(it_)
        local token = answer.access_token
        get_token(it_, { client_id = false, client_secret = false },
            { authorization = "Basic " .. text.base64("a:b") })
        ask(it_, { target = "/1/content/music/search?q=daft&accessToken=Bearer%20"
            .. text.escape(token) })
        ask(it_, { target = "/" .. token, headers = { authorization = "Bearer " .. token,
            ["x-note"] = text.escape(SECRET), cookie = "a=b" } })
        local log = it_:control({ op = "log" })
        local written = json.encode(log)
        for _, hidden in ipairs({ SECRET, token, text.escape(token), text.escape(SECRET),
            text.base64("a:b"), "a=b" }) do
            assert.is_nil(written:find(hidden, 1, true))
            assert.is_nil(written:find((hidden:gsub("/", "\\/")), 1, true))
        end
        local entries = log.entries
        assert.equal(4, #entries)
        assert.same({ "token", "token", "api", "api" },
            { entries[1].on, entries[2].on, entries[3].on, entries[4].on })
        assert.equal("a.scope", entries[1].form.scope)
        assert.equal("***", entries[1].form.client_secret)
        assert.equal("Basic ***", entries[2].headers.authorization)
        assert.equal(401, entries[2].status)
        assert.equal("q=daft&accessToken=***", entries[3].query)
        assert.equal(200, entries[3].status)
        assert.equal("/***", entries[4].path)
        assert.same({ token = 2, api = 2 }, log.counts)
    end)

    it("keeps the latest of each endpoint", function()
        local it_ = new()
        get_token(it_)
        for _ = 1, 2500 do ask(it_, { target = "/x" }) end
        local log = it_:control({ op = "log" })
        assert.equal(2001, #log.entries)
        assert.equal("token", log.entries[1].on)
        assert.equal(2501, log.entries[2001].number)
        assert.equal(2500, log.counts.api)
    end)
end)

describe("the controls", function()
    it("need the key", function()
        local it_ = new()
        local function control(key, body)
            return ask(it_, {
                method = "POST", target = "/sandbox/control", headers = { ["x-sandbox-key"] = key },
                body = body,
            }).status
        end
        assert.equal(200, control("key", '{"op":"ping"}'))
        assert.equal(403, control("kex", '{"op":"ping"}'))
        assert.equal(403, control(nil, '{"op":"ping"}'))
        assert.equal(400, control("key", '{"op":"other"}'))
        assert.equal(400, control("key", "nonsense"))
        assert.equal(0, #it_:control({ op = "log" }).entries)
    end)

    it("are not there without one", function()
        local response = ask(new({ key = false }), {
            method = "POST", target = "/sandbox/control", body = '{"op":"ping"}',
        })
        assert.equal(403, response.status)
    end)
end)

describe("the sandbox's tokens", function()
    it("are 200,000 at most: the oldest is forgotten", function()
        local serial = 0
        local tokens = require("groove.sandbox.token").new({
            lifetime = 100,
            random = function(n)
                serial = serial + 1
                return ("%d "):format(serial):rep(n):sub(1, n)
            end,
        })
        local first, second = tokens:issue(1000), tokens:issue(1000)
        -- What is forgotten goes by their number alone, so the others need not be made.
        tokens.last = tokens.first + 200000 - 1
        assert.is_nil(tokens:refusal(first, 1000))
        tokens:issue(1000)
        assert.equal("ACCESS_TOKEN_INVALID", tokens:refusal(first, 1000))
        assert.is_nil(tokens:refusal(second, 1000))
    end)
end)

describe("the sandbox's dates", function()
    it("are rounded to a thousandth, into the next second where need be", function()
        local iso = require("groove.sandbox.dates").iso
        assert.equal("2001-09-09T01:46:40.000Z", iso(1e9))
        assert.equal("2001-09-09T01:46:40.125Z", iso(1e9 + 0.125))
        assert.equal("2001-09-09T01:46:41.000Z", iso(1e9 + 0.9996))
    end)
end)
