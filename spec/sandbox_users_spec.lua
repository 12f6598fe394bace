-- The sandbox's users: their tokens, what is refused without one, bodies of requests, profiles, and
-- addresses that play.

local groove = require("groove")
local json = require("cjson")
local catalogue = require("groove.sandbox.catalogue")
local endpoints = require("groove.endpoints")
local objects = require("groove.sandbox.objects")
local stand_in = require("spec.support.stand_in")
local text = require("groove.sandbox.text")
local tokens = require("groove.sandbox.token")

local TRACK = "music.A83EB907-0100-11DB-89CA-0019B92A3933"
local ARTIST = "music.C61C0000-0200-11DB-89CA-0019B92A3933"
local INSTANCE = "clientInstanceId=" .. ("x"):rep(32)

local code_of = stand_in.code_of

-- A path of every row that gets as far as its parameters.
local function target_of(row)
    local samples = {
        namespace = "music", ids = TRACK, id = TRACK, source = "catalog", type = "tracks",
        parent_type = "album", extra = "tracks",
    }
    return (row.path:gsub("{([%w_]+)}", samples))
end

describe("a user's token", function()
    it("is recognisable, and another one every time", function()
        local it_ = stand_in.new()
        local one, two = stand_in.user(it_, "ann").token, stand_in.user(it_, "ann").token
        assert.equal(1, (one:find(tokens.USER_PREFIX, 1, true)))
        assert.is_true(one ~= two)
        assert.is_nil(one:find(tokens.PREFIX, 1, true))
    end)

    it("belongs to the user of its name", function()
        local it_ = stand_in.new()
        local ann, again, bob = stand_in.user(it_, "ann"), stand_in.user(it_, "ann"),
            stand_in.user(it_, "bob")
        ann:post("collection/add", { TrackIds = { TRACK } })
        assert.equal(1, again:ask("GET", "/1/user/music/profile").Collection.TrackCount)
        assert.equal(0, bob:ask("GET", "/1/user/music/profile").Collection.TrackCount)
    end)

    it("expires with the sandbox's lifetime, or its own", function()
        local it_ = stand_in.new({ lifetime = 50 })
        for lifetime, user in pairs({
            [50] = stand_in.user(it_, "ann"), [7] = stand_in.user(it_, "ann", { lifetime = 7 }),
        }) do
            local _, status = user:get("music/search?q=daft", { now = 1000 + lifetime - 0.1 })
            assert.equal(200, status)
            local answer
            answer, status = user:get("music/search?q=daft", { now = 1000 + lifetime })
            assert.equal(401, status)
            assert.equal("ACCESS_TOKEN_EXPIRED", code_of(answer))
        end
    end)

    it("is refused where it was made up", function()
        local user = stand_in.user(stand_in.new(), "ann")
        user.token = tokens.USER_PREFIX .. "AAAA"
        local answer, status = user:ask("GET", "/1/user/music/profile")
        assert.equal(401, status)
        assert.equal("ACCESS_TOKEN_INVALID", code_of(answer))
    end)

    it("goes into the query as well, but not beside another", function()
        local it_ = stand_in.new()
        local user = stand_in.user(it_, "ann")
        local parameter = "?accessToken=Bearer%20" .. text.escape(user.token)
        local _, answer = stand_in.ask(it_, { target = "/1/user/music/profile" .. parameter })
        assert.is_true(answer.HasSubscription)
        answer = user:ask("GET", "/1/user/music/profile" .. parameter)
        assert.equal("INVALID_AUTHORIZATION_HEADER", code_of(answer))
    end)

    it("does all that an application's does", function()
        local user = stand_in.user(stand_in.new(), "ann")
        for _, target in ipairs({ "music/search?q=daft", TRACK .. "/lookup",
            "music/catalog/tracks/browse", TRACK .. "/preview?" .. INSTANCE }) do
            local _, status = user:get(target)
            assert.equal(200, status)
        end
    end)

    it("is in no log", function()
        local it_ = stand_in.new()
        local user = stand_in.user(it_, "ann")
        user:get("music/search?q=" .. text.escape(user.token))
        stand_in.ask(it_, { target = "/1/user/music/profile?accessToken=Bearer%20"
            .. text.escape(user.token), headers = { ["x-note"] = user.token } })
        local written = json.encode(it_:control({ op = "log" })):gsub("\\/", "/")
        assert.truthy(written:find("***", 1, true))
        for _, hidden in ipairs({ user.token, text.escape(user.token), tokens.USER_PREFIX }) do
            assert.is_nil(written:find(hidden, 1, true))
        end
    end)
end)

describe("without a user's token", function()
    local it_ = stand_in.new()
    local application = stand_in.user(it_)

    local function assert_refused(answer, status)
        assert.equal(401, status)
        assert.same({
            ErrorCode = "INVALID_AUTHORIZATION_HEADER",
            Description = "Missing or invalid authorization header",
            Message = "You need user authentication to use this API",
        }, answer.Error)
    end

    for name, row in pairs(endpoints.rows) do
        if row.auth == "user" then
            it("there is no " .. name, function()
                assert_refused(application:ask(row.method, target_of(row), "nonsense"))
            end)
        end
        if row.collection_auth == "user" then
            it("there is no " .. name .. " of a collection", function()
                local target = target_of(row):gsub("/catalog/", "/collection/")
                if row.segments == nil or row.segments.source == nil then
                    target = target .. "?q=x&source=catalog%2BCollection"
                end
                assert_refused(application:ask(row.method, target))
            end)
        end
    end

    it("nothing of a collection can be continued", function()
        local user = stand_in.user(it_, "ann")
        local list = user:post("collection/playlists/create", { Name = "x" }).PlaylistActionResult
        for i = 1, 26 do
            user:post("collection/playlists/update", { Id = list.Id, TrackActions = {
                { Id = catalogue.get().tracks[i].id, Action = "Add" },
            } })
        end
        local answer = user:get(list.Id .. "/lookup?source=collection")
        local token = answer.Playlists.Items[1].Tracks.ContinuationToken
        local target = list.Id .. "/lookup?continuationToken=" .. text.escape(token)
        assert.equal(1, #user:get(target).Playlists.Items[1].Tracks.Items)
        assert_refused(application:get(target))
    end)
end)

describe("every endpoint", function()
    for name, row in pairs(endpoints.rows) do
        it("is there: " .. name, function()
            local user = stand_in.user(stand_in.new(), "ann")
            local answer, status = user:ask(row.method, target_of(row), row.body and "{}")
            assert.is_table(answer)
            assert.is_true(status == 200 or status == 400 or status == 404)
            assert.is_true(status ~= 404 or answer.Error.Message ~= "No such address")
        end)

        it("answers under other versions, by its method only: " .. name, function()
            local user = stand_in.user(stand_in.new(), "ann")
            local _, usual = user:ask(row.method, target_of(row), row.body and "{}")
            for _, version in ipairs({ "/1/", "/2/", "/3/" }) do
                local target = target_of(row):gsub("^/%d/", version)
                local _, status = user:ask(row.method, target, row.body and "{}")
                assert.equal(usual, status)
            end
            local other = row.method == "GET" and "POST" or "GET"
            local answer, status = user:ask(other, target_of(row))
            assert.equal(403, status)
            assert.equal("UNAUTHORIZED_API_METHOD", code_of(answer))
            answer, status = user:ask(row.method, (target_of(row):gsub("^/%d/", "/4/")))
            assert.equal(404, status)
            assert.equal("No such address", answer.Error.Message)
        end)
    end
end)

describe("a body", function()
    local user = stand_in.user(stand_in.new(), "ann")
    local list = user:post("collection/playlists/create", { Name = "x", TrackActions = {
        { Id = TRACK, Action = "Add" },
    } }).PlaylistActionResult
    local placed = list.TrackActionResults[1].Id
    local ids = {}
    for i = 1, 101 do
        ids[i] = '"' .. TRACK .. '"'
    end
    local many = table.concat(ids, ",")
    local many_actions = many:gsub('"[^"]*"', '{"Id":%0,"Action":"Add"}')
    local long = ("\195\169"):rep(257)

    -- path, body, status, code, message
    local REFUSED = {
        { "add", "", 400, "INVALID_INPUT_PARAMETER", "The body must be a JSON object" },
        { "add", "{", 400, "INVALID_INPUT_PARAMETER" },
        { "add", "[]", 400, "INVALID_INPUT_PARAMETER" },
        { "add", "7", 400, "INVALID_INPUT_PARAMETER" },
        { "add", '{"TrackIds":7}', 400, "INVALID_INPUT_PARAMETER" },
        { "add", '{"TrackIds":"' .. TRACK .. '"}', 400, "INVALID_INPUT_PARAMETER" },
        { "add", '{"TrackIds":{"a":"b"}}', 400, "INVALID_INPUT_PARAMETER" },
        { "add", '{"TrackIds":[7]}', 400, "INVALID_INPUT_PARAMETER" },
        { "add", '{"TrackIds":["' .. TRACK .. '",null]}', 400, "INVALID_INPUT_PARAMETER" },
        { "add", "{}", 400, "MISSING_INPUT_PARAMETER", "Parameter TrackIds is missing" },
        { "add", '{"TrackIds":null}', 400, "MISSING_INPUT_PARAMETER" },
        { "add", '{"TrackIds":[]}', 400, "MISSING_INPUT_PARAMETER" },
        { "add", '{"TrackIds":[' .. many .. "]}", 400, "COLLECTION_INVALID_OPERATION",
            "Number of tracks for this operation is limited to 100" },
        { "delete", "{}", 400, "MISSING_INPUT_PARAMETER" },
        { "delete", '{"TrackIds":[' .. many .. "]}", 400, "COLLECTION_INVALID_OPERATION" },
        { "playlists/create", "{}", 400, "COLLECTION_INVALID_PLAYLIST_INFO" },
        { "playlists/create", '{"Name":null}', 400, "COLLECTION_INVALID_PLAYLIST_INFO" },
        { "playlists/create", '{"Name":""}', 400, "COLLECTION_INVALID_PLAYLIST_INFO" },
        { "playlists/create", '{"Name":7}', 400, "COLLECTION_INVALID_PLAYLIST_INFO" },
        { "playlists/create", '{"Name":"\255"}', 400, "INVALID_INPUT_PARAMETER",
            "The body must be a JSON object" },
        { "playlists/create", '{"Name":"\237\160\128"}', 400, "INVALID_INPUT_PARAMETER" },
        { "playlists/create", '{"Name":"\195\226\130\172\169"}', 400, "INVALID_INPUT_PARAMETER" },
        { "playlists/create", '{"Name":"' .. long .. '"}', 400,
            "COLLECTION_INVALID_PLAYLIST_INFO", "Parameter Name must have at most 256 characters" },
        { "playlists/create", '{"Name":"x","IsPublished":"yes"}', 400, "INVALID_INPUT_PARAMETER" },
        { "playlists/create", '{"Name":"x","TrackActions":7}', 400, "INVALID_INPUT_PARAMETER" },
        { "playlists/create", '{"Name":"x","TrackActions":[7]}', 400, "INVALID_INPUT_PARAMETER" },
        { "playlists/create", '{"Name":"x","TrackActions":[{"Id":"a"}]}', 400,
            "INVALID_INPUT_PARAMETER" },
        { "playlists/create", '{"Name":"x","TrackActions":[{"Id":"a","Action":"Delete"}]}', 400,
            "COLLECTION_INVALID_OPERATION" },
        { "playlists/create", '{"Name":"x","TrackActions":[' .. many_actions .. "]}", 400,
            "COLLECTION_INVALID_OPERATION" },
        { "playlists/update", '{"Name":"x"}', 400, "MISSING_INPUT_PARAMETER",
            "Parameter Id is missing" },
        { "playlists/update", '{"Id":"%s"}', 400, "MISSING_INPUT_PARAMETER" },
        { "playlists/update", '{"Id":"%s","TrackActions":[]}', 400, "MISSING_INPUT_PARAMETER" },
        { "playlists/update", '{"Id":7,"Name":"x"}', 400, "INVALID_INPUT_PARAMETER" },
        { "playlists/update", '{"Id":"music.playlist.none","Name":"x"}', 400,
            "COLLECTION_INVALID_ID" },
        { "playlists/update", '{"Id":"%s","Name":""}', 400, "COLLECTION_INVALID_PLAYLIST_INFO" },
        { "playlists/update", '{"Id":"%s","CollectionStateToken":7}', 400,
            "INVALID_INPUT_PARAMETER" },
        { "playlists/update", '{"Id":"%s","Name":"y","CollectionStateToken":"3.0"}', 409,
            "COLLECTION_CONCURRENT_UPDATE" },
        { "playlists/update", '{"Id":"%s","TrackActions":[{"Id":"a","Action":"Copy"}]}', 400,
            "COLLECTION_INVALID_OPERATION" },
        { "playlists/update", '{"Id":"%s","TrackActions":[' .. many_actions .. "]}", 400,
            "COLLECTION_INVALID_OPERATION" },
        { "playlists/update", '{"Id":"%s","TrackActions":[{"Id":"a","Action":"Move"},'
            .. '{"Id":"b","Action":"Add"}]}', 400, "COLLECTION_INVALID_PLAYLIST_REORDER" },
        { "playlists/update", '{"Id":"%s","InsertBeforeTrackId":"' .. placed
            .. '","TrackActions":[{"Id":"' .. TRACK .. '","Action":"Add"}]}', 400,
            "COLLECTION_INVALID_PLAYLIST_REORDER" },
        { "playlists/update", '{"Id":"%s","InsertBeforeTrackId":"a","TrackActions":['
            .. '{"Id":"' .. placed .. '","Action":"Move"}]}', 400,
            "COLLECTION_INVALID_PLAYLIST_REORDER" },
        { "playlists/update", '{"Id":"%s","InsertBeforeTrackId":"' .. placed
            .. '","TrackActions":[{"Id":"' .. placed .. '","Action":"Move"}]}', 400,
            "COLLECTION_INVALID_PLAYLIST_REORDER" },
        { "playlists/delete", "{}", 400, "MISSING_INPUT_PARAMETER" },
        { "playlists/delete", '{"Id":"music.playlist.none"}', 400, "COLLECTION_INVALID_ID" },
        { "playlists/delete", '{"Id":"' .. TRACK .. '"}', 400, "COLLECTION_INVALID_ID" },
        { "radio", "{}", 400, "MISSING_INPUT_PARAMETER", "Parameter Seeds is missing" },
        { "radio", '{"Seeds":null}', 400, "MISSING_INPUT_PARAMETER" },
        { "radio", '{"Seeds":[]}', 400, "INVALID_INPUT_PARAMETER",
            "There must be exactly one seed" },
        { "radio", '{"Seeds":[7]}', 400, "INVALID_INPUT_PARAMETER" },
        { "radio", '{"Seeds":[{"Id":"Pop","Type":"Genre"},{"Id":"Jazz","Type":"Genre"}]}', 400,
            "INVALID_INPUT_PARAMETER" },
        { "radio", '{"Seeds":[{"Id":"Pop"}]}', 400, "INVALID_INPUT_PARAMETER" },
        { "radio", '{"Seeds":[{"Type":"Genre"}]}', 400, "INVALID_INPUT_PARAMETER" },
        { "radio", '{"Seeds":[{"Id":"","Type":"Genre"}]}', 400, "INVALID_INPUT_PARAMETER" },
        { "radio", '{"Seeds":[{"Id":"Pop","Type":"Album"}]}', 400, "INVALID_INPUT_PARAMETER" },
        { "radio", '{"Seeds":[{"Id":"music.none","Type":"Artist"}]}', 404, "CATALOG_NO_RESULT" },
        { "radio", '{"Seeds":[{"Id":"' .. TRACK .. '","Type":"Artist"}]}', 404,
            "CATALOG_NO_RESULT" },
        { "radio", '{"Seeds":[{"Id":"Noise","Type":"Genre"}]}', 404, "DISCOVERY_INVALID_GENRE" },
    }

    for _, case in ipairs(REFUSED) do
        local path, body, status, code, message = case[1], case[2], case[3], case[4], case[5]
        local title = ("is refused: %s %s"):format(path, (body:gsub("[\128-\255]", "")):sub(1, 90))
        it(title, function()
            local before = user:ask("GET", "/1/user/music/profile").Collection
            body = body:gsub('("Id":)"%%s"', '%1"' .. list.Id .. '"')
            path = path == "radio" and "radio/create" or "collection/" .. path
            local answer, got = user:post(path, body)
            assert.equal(code, code_of(answer))
            assert.equal(status, got)
            assert.is_nil(answer.TrackActionResults or answer.PlaylistActionResult)
            if message then
                assert.equal(message, answer.Error.Message)
            end
            assert.same(before, user:ask("GET", "/1/user/music/profile").Collection)
        end)
    end

    it("is JSON, or says nothing of what it is", function()
        local body = json.encode({ TrackIds = { TRACK } })
        for kind, status in pairs({
            ["application/json"] = 200, ["Application/JSON; charset=utf-8"] = 200,
            ["application/x-www-form-urlencoded"] = 400, ["application/jsonp"] = 400,
            ["text/plain"] = 400,
        }) do
            local _, got = user:post("collection/add", body, { content_type = kind })
            assert.equal(status, got)
        end
        local response = stand_in.ask(user.server, {
            method = "POST", target = "/1/content/music/collection/add", body = body,
            headers = { authorization = "Bearer " .. user.token },
        })
        assert.equal(200, response.status)
    end)

    it("may hold null for what it may leave out, and what nobody knows", function()
        local answer, status = user:post("collection/playlists/create",
            '{"Name":"n","IsPublished":null,"TrackActions":null,"CollectionStateToken":null,"X":1}')
        assert.equal(200, status)
        assert.is_false(answer.PlaylistActionResult.IsPublished)
        answer, status = user:post("collection/playlists/update",
            '{"Id":"' .. answer.PlaylistActionResult.Id .. '","Name":"m","TrackActions":null}')
        assert.equal(200, status)
        assert.equal("m", answer.PlaylistActionResult.Name)
    end)

    it("counts characters, not bytes", function()
        local _, status = user:post("collection/playlists/create",
            { Name = ("\195\169"):rep(256) })
        assert.equal(200, status)
    end)
end)

describe("an answer in XML", function()
    local user = stand_in.user(stand_in.new(), "ann")

    local function assert_xml(pattern, status, path, body)
        local method = body and "POST" or "GET"
        local target = "/1/content/music/" .. path .. "contentType=xml"
        local _, got, response = user:ask(method, target, body)
        assert.equal(status, got)
        assert.matches("^application/xml", response.headers["Content-Type"])
        assert.matches(pattern, response.body)
    end

    it("has the results of operations, and their errors", function()
        assert_xml("<TrackActionResponse><Error>.*<TrackActionResults><TrackActionResult><Id>",
            200, "collection/add?", { TrackIds = { TRACK, "music.none" } })
        assert_xml("<PlaylistActionResponse><PlaylistActionResult><Id>music%.playlist%.",
            200, "collection/playlists/create?", { Name = "a < b" })
        assert_xml("<Name>a &lt; b</Name>", 200, "collection/playlists/browse?")
        assert_xml("<RadioResponse><SessionId>.*<Tracks><Track>", 200, "radio/create?",
            { Seeds = { { Id = "Jazz", Type = "Genre" } } })
    end)

    it("has the error where there is nothing else", function()
        assert_xml("<TrackActionResponse><Error><Description>.*"
            .. "<ErrorCode>MISSING_INPUT_PARAMETER</ErrorCode>", 400, "collection/add?", {})
        assert_xml("<ErrorCode>CATALOG_NO_RESULT</ErrorCode>", 404, "nowhere?")
        user.token = "nobody's"
        assert_xml("<ErrorCode>ACCESS_TOKEN_INVALID</ErrorCode>", 401, "search?q=x&")
    end)
end)

describe("the profile", function()
    local it_ = stand_in.new()

    it("of no user says what there is in the country", function()
        assert.same({ IsSubscriptionAvailableForPurchase = true, Culture = "fr-FR" },
            (stand_in.user(it_):ask("GET", "/1/user/music/profile?country=fr&language=fr")))
    end)

    it("counts what the user has", function()
        local user = stand_in.user(it_, "ann", { subscription = false })
        assert.same({
            HasSubscription = false, IsSubscriptionAvailableForPurchase = true, Culture = "en-US",
            Collection = {
                Token = "3.0.0.0.0.0.0", PlaylistCount = 0, RemainingPlaylistCount = 100,
                TrackCount = 0, RemainingTrackCount = 50000,
            },
        }, (user:ask("GET", "/1/user/music/profile")))
        user:post("collection/playlists/create", { Name = "x" })
        user:post("collection/add", { TrackIds = { TRACK, catalogue.get().tracks[50].id } })
        local collection = user:ask("GET", "/1/user/music/profile").Collection
        assert.is_true(collection.Token ~= "3.0.0.0.0.0.0")
        collection.Token = nil
        assert.same({
            PlaylistCount = 1, RemainingPlaylistCount = 99, TrackCount = 2,
            RemainingTrackCount = 49998,
        }, collection)
    end)

    it("tells of the subscription", function()
        local user = stand_in.user(it_, "bob")
        local profile = user:ask("GET", "/1/user/music/profile?country=fr", nil,
            { time = 1500000000.25 })
        assert.is_true(profile.HasSubscription)
        assert.same({ Type = "Paid", Region = "FR", EndDate = "2017-08-13T02:40:00.250Z" },
            profile.Subscription)
    end)
end)

describe("a stream", function()
    local it_ = stand_in.new()

    local function stream(user, id, instance, request)
        return user:get(id .. "/stream?clientInstanceId=" .. (instance or "x"):rep(32), request)
    end

    local function play(url, time)
        return stand_in.ask(it_, {
            target = url:match("^http://127%.0%.0%.1:1(/.+)$"), time = time,
        })
    end

    it("plays until it expires", function()
        local answer = stream(stand_in.user(it_, "ann"), TRACK, "x", { time = 1500000000.5 })
        assert.equal("audio/mp3", answer.ContentType)
        assert.equal("2017-07-14T03:40:00.500Z", answer.ExpiresOn)
        for name in pairs({ [tokens.PREFIX] = true, [tokens.USER_PREFIX] = true }) do
            assert.is_nil(answer.Url:find(name, 1, true))
        end
        local response = play(answer.Url, 1500003600.4)
        assert.equal(200, response.status)
        assert.equal("audio/mpeg", response.headers["Content-Type"])
        assert.equal(require("groove.sandbox.tone").mp3(), response.body)
        assert.equal(403, play(answer.Url, 1500003600.5).status)
    end)

    it("has an address of its own making only", function()
        local answer = stream(stand_in.user(it_, "ann"), TRACK)
        for _, bad in ipairs({
            (answer.Url:gsub("%?.*$", "")), answer.Url:sub(1, -2), answer.Url .. "A",
            (answer.Url:gsub("A83EB907", "A73EB907")), (answer.Url:gsub("rid=.", "rid=_")),
        }) do
            assert.equal(403, play(bad, 7).status)
        end
    end)

    it("needs a subscription", function()
        local user = stand_in.user(it_, "bob", { subscription = false })
        local answer, status = stream(user, TRACK)
        assert.equal(403, status)
        assert.equal("NO_MUSIC_PASS_SUBSCRIPTION", code_of(answer))
        stand_in.user(it_, "bob")
        assert.equal(403, (select(2, stream(user, TRACK))))
        stand_in.user(it_, "bob", { subscription = true })
        assert.equal(200, (select(2, stream(user, TRACK))))
    end)

    it("needs a track with the right to it", function()
        local user = stand_in.user(it_, "ann")
        local forbidden
        for _, track in ipairs(catalogue.get().tracks) do
            if not objects.can_stream(track, { culture = "en-US" }) then
                forbidden = forbidden or track
            end
        end
        local answer, status = stream(user, forbidden.id)
        assert.equal(404, status)
        assert.equal("DELIVERY_UNAVAILABLE_CONTENT", code_of(answer))
        for _, id in ipairs({ "music.none", ARTIST }) do
            answer, status = stream(user, id)
            assert.equal(404, status)
            assert.equal("CATALOG_NO_RESULT", code_of(answer))
        end
        answer, status = user:get(TRACK .. "/stream")
        assert.equal(400, status)
        assert.equal("MISSING_INPUT_PARAMETER", code_of(answer))
    end)

    it("of a user's is one at a time", function()
        local user, seconds = stand_in.user(it_, "cid", { lifetime = 9999 }), 369
        assert.equal(seconds, catalogue.get().by_id[TRACK].seconds)
        local function status_of(instance, after)
            local answer, status = stream(user, TRACK, instance, { now = 1000 + after })
            return status, code_of(answer)
        end
        assert.equal(200, (status_of("a", 0)))
        assert.same({ 409, "DELIVERY_CONCURRENT_STREAMING" },
            { status_of("b", seconds - 1) })
        assert.equal(200, (status_of("a", 100)))
        assert.equal(409, (status_of("b", seconds)))
        assert.equal(200, (status_of("b", seconds + 100)))
        local _, status = user:get(TRACK .. "/preview?" .. INSTANCE)
        assert.equal(200, status)
        _, status = stream(stand_in.user(it_, "dan"), TRACK, "c")
        assert.equal(200, status)
    end)

    it("plays what the collection's ids name", function()
        local user = stand_in.user(it_, "eve")
        local added = user:post("collection/add", { TrackIds = { TRACK } }).TrackActionResults[1]
        local answer, status = stream(user, added.Id)
        assert.equal(200, status)
        assert.truthy(answer.Url:find(TRACK, 1, true))
        answer = stream(stand_in.user(it_, "fay"), added.Id)
        assert.equal("CATALOG_NO_RESULT", code_of(answer))
    end)

    it("is not a preview, which needs no user, and expires as well", function()
        local answer = stand_in.user(it_):get(TRACK .. "/preview?" .. INSTANCE)
        assert.is_nil(answer.ExpiresOn)
        assert.equal(200, play(answer.Url, 3606).status)
        assert.equal(403, play(answer.Url, 3607).status)
    end)
end)

describe("sandbox:user_token", function()
    local sandbox

    setup(function()
        sandbox = assert(groove.sandbox({ in_process = true }))
    end)

    teardown(function()
        sandbox:stop()
    end)

    it("gives a token that clients take", function()
        local client = assert(sandbox:client({ user_token = sandbox:user_token("ann") }))
        finally(function() client:close() end)
        local profile = assert(client:profile())
        assert.is_true(profile.HasSubscription)
        client = client:with({
            user_token = sandbox:user_token("ann", { subscription = false, lifetime = 60 }),
        })
        assert.is_false(assert(client:profile()).HasSubscription)
    end)

    it("has one user by default", function()
        local one, two = sandbox:user_token(), sandbox:user_token("user")
        local client = assert(sandbox:client({ user_token = one }))
        finally(function() client:close() end)
        assert(client:collection_add(TRACK))
        assert.equal(1, assert(client:profile({ user_token = two })).Collection.TrackCount)
    end)

    it("raises for what it does not know", function()
        for _, arguments in ipairs({
            { 7 }, { "ann", 7 }, { "ann", { subscription = 1 } }, { "ann", { lifetime = 0 } },
            { "ann", { nonsense = true } },
        }) do
            local ok, message = pcall(sandbox.user_token, sandbox, arguments[1], arguments[2])
            assert.is_false(ok)
            assert.matches("sandbox:user_token", message)
        end
        local other = assert(groove.sandbox({ in_process = true }))
        other:stop()
        assert.has_error(function() other:user_token() end)
    end)
end)
