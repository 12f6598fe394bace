-- Calls that take several requests: in order, put together, and what is left when one fails.

local errors = require("groove.errors")
local response = require("groove.response")
local api = require("spec.support.api")

local function ids(count, first)
    local list = {}
    for i = 1, count do
        list[i] = "music.t" .. (first or 1) + i - 1
    end
    return list
end

-- What the service answers when all goes well.
local function all_added(request)
    local results = {}
    for i, id in ipairs(response.decode(request.body).TrackIds) do
        results[i] = '{"InputId":"' .. id .. '","Id":"c.' .. id .. '"}'
    end
    return '{"TrackActionResults":[' .. table.concat(results, ",") .. "]}"
end

local function actions_of(request)
    local list = {}
    for i, action in ipairs(response.decode(request.body).TrackActions or {}) do
        list[i] = action.Action .. " " .. action.Id
    end
    return list
end

local function playlist_done(request)
    local results = {}
    for i, action in ipairs(response.decode(request.body).TrackActions) do
        results[i] = '{"InputId":"' .. action.Id .. '","Id":"c.' .. action.Id .. '"}'
    end
    return '{"PlaylistActionResult":{"Id":"music.playlist.p","Name":"n","TrackActionResults":['
        .. table.concat(results, ",") .. "]}}"
end

local function code_of(result)
    return result.Error and result.Error.ErrorCode or "ok"
end

-- "ok x 100, UNKNOWN x 50"
local function summary(results)
    local out, count = {}, 0
    for i, result in ipairs(results) do
        count = count + 1
        if code_of(result) ~= (results[i + 1] and code_of(results[i + 1])) then
            out[#out + 1] = code_of(result) .. " x " .. count
            count = 0
        end
    end
    return table.concat(out, ", ")
end

local lost = { false, errors.transport("connection_broken", "hung up", true) }

describe("batches", function()
    it("of 100 are one request, more are several, in the caller's order", function()
        local client, seen = api.client({ all_added })
        assert(client:collection_add(ids(100)))
        assert.equal(1, #seen)
        local done = assert(client:collection_add(ids(230)))
        assert.equal(4, #seen)
        assert.equal(100, #response.decode(seen[2].body).TrackIds)
        assert.equal(30, #response.decode(seen[4].body).TrackIds)
        assert.equal(230, #done.TrackActionResults)
        for i, result in ipairs(done.TrackActionResults) do
            assert.equal("music.t" .. i, result.InputId)
            assert.equal("c.music.t" .. i, result.Id)
        end
    end)

    it("keep one result an id where an answer is lost", function()
        local client, seen = api.client({ all_added, lost })
        local done, err = client:collection_add(ids(250))
        assert.equal(2, #seen)
        assert.equal("connection_broken", err.code)
        assert.equal("ok x 100, UNKNOWN x 100, NOT_SENT x 50", summary(done.TrackActionResults))
        for i, result in ipairs(done.TrackActionResults) do
            assert.equal("music.t" .. i, result.InputId)
        end
    end)

    it("say what the service said where it refuses", function()
        local client = api.client({ all_added, api.failure(400, "COLLECTION-FULL") })
        local done, err = client:collection_add(ids(201))
        assert.equal("COLLECTION_FULL", err.code)
        assert.equal("ok x 100, COLLECTION_FULL x 100, NOT_SENT x 1",
            summary(done.TrackActionResults))
        assert.equal("as asked for", done.TrackActionResults[101].Error.Description)
    end)

    it("do not know what a service in trouble has done", function()
        for _, trouble in ipairs({
            api.failure(502, "COLLECTION_OPERATION_UNKNOWN_ERROR"),
            { status = 500, headers = {}, body = "oops" },
            { status = 200, headers = {}, body = "cut sh" },
        }) do
            local client = api.client({ all_added, trouble })
            local done, err = client:collection_add(ids(101))
            assert.is_table(err)
            assert.equal("ok x 100, UNKNOWN x 1", summary(done.TrackActionResults))
        end
    end)

    it("know what cannot have been sent", function()
        for _, failure in ipairs({
            errors.transport("connect_failed", "refused", true),
            errors.new({ kind = "token", code = "invalid_client", message = "no" }),
        }) do
            local answers, tokens = { all_added }, 0
            local source = require("groove.static").new(function()
                tokens = tokens + 1
                if failure.kind == "token" and tokens > 1 then
                    return nil, failure
                end
                return "t"
            end)
            answers[2] = failure.kind ~= "token" and { false, failure } or nil
            local client = api.client(answers, { source = source })
            local done, err = client:collection_add(ids(150))
            assert.equal(failure, err)
            assert.equal("ok x 100, NOT_SENT x 50", summary(done.TrackActionResults))
        end
    end)

    it("are nothing where the first is refused, and something where it is lost", function()
        local client = api.client({ api.failure(403, "UNAUTHORIZED_API_METHOD") })
        local done, err = client:collection_add(ids(150))
        assert.is_nil(done)
        assert.equal("UNAUTHORIZED_API_METHOD", err.code)
        client = api.client({ lost })
        done, err = client:collection_add(ids(150))
        assert.equal("connection_broken", err.code)
        assert.equal("UNKNOWN x 100, NOT_SENT x 50", summary(done.TrackActionResults))
    end)

    it("go on where some ids alone fail", function()
        local function one_fails(request)
            local text = all_added(request):gsub('"Id":"c.music.t7"',
                '"Error":{"ErrorCode":"COLLECTION-INVALID-ID"}')
            return text:sub(1, -2) .. ',"Error":{"ErrorCode":"COLLECTION-SOME-OPERATIONS-FAILED"}}'
        end
        local client = api.client({ one_fails, all_added })
        local done, err = client:collection_add(ids(120))
        assert.equal("COLLECTION_SOME_OPERATIONS_FAILED", err.code)
        assert.equal("ok x 6, COLLECTION-INVALID-ID x 1, ok x 113",
            summary(done.TrackActionResults))
    end)

    it("make a playlist, and then add the rest to it", function()
        local client, seen = api.client({ playlist_done })
        local done = assert(client:playlist_create({ name = "n", tracks = ids(205) }))
        assert.equal(3, #seen)
        assert.matches("/playlists/create$", seen[1].url)
        assert.matches("/playlists/update$", seen[2].url)
        local second = response.decode(seen[2].body)
        assert.equal("music.playlist.p", second.Id)
        assert.is_nil(second.Name)
        assert.is_nil(second.IsPublished)
        assert.equal("Add music.t201", actions_of(seen[3])[1])
        assert.equal("music.playlist.p", done.PlaylistActionResult.Id)
        assert.equal("ok x 205", summary(done.PlaylistActionResult.TrackActionResults))
    end)

    it("add nothing to a playlist that the service does not name", function()
        for _, result in ipairs({ "null", '"x"', "{}" }) do
            local client, seen = api.client({ '{"PlaylistActionResult":' .. result .. "}" })
            local done, err = client:playlist_create({ name = "n", tracks = ids(205) })
            assert.equal("invalid_response", err.code)
            assert.equal(1, #seen)
            assert.equal("ok x 100, NOT_SENT x 105",
                summary(done.PlaylistActionResult.TrackActionResults))
        end
    end)

    it("change a playlist in order, its name once", function()
        local client, seen = api.client({ playlist_done })
        assert(client:playlist_update({
            id = "p", name = "n", collection_state_token = "3.1",
            delete = ids(60, 1001), add = ids(90),
        }))
        assert.equal(2, #seen)
        local first, second = response.decode(seen[1].body), response.decode(seen[2].body)
        assert.equal("n", first.Name)
        assert.equal("3.1", first.CollectionStateToken)
        assert.equal("p", second.Id)
        assert.is_nil(second.Name)
        assert.is_nil(second.CollectionStateToken)
        assert.equal("Delete music.t1060", actions_of(seen[1])[60])
        assert.equal("Add music.t1", actions_of(seen[1])[61])
        assert.equal("Add music.t41", actions_of(seen[2])[1])
    end)

    it("move tracks part by part to the same place, which keeps their order", function()
        local quiet = '{"PlaylistActionResult":{"Id":"p"}}'
        local client, seen = api.client({ quiet })
        local done = assert(client:playlist_update({
            id = "p", move = ids(150), insert_before = "x",
        }))
        assert.equal("x", response.decode(seen[1].body).InsertBeforeTrackId)
        assert.equal("x", response.decode(seen[2].body).InsertBeforeTrackId)
        assert.equal("Move music.t101", actions_of(seen[2])[1])
        assert.equal("ok x 150", summary(done.PlaylistActionResult.TrackActionResults))
        client = api.client({ quiet, lost })
        done = client:playlist_update({ id = "p", move = ids(150) })
        assert.equal("ok x 100, UNKNOWN x 50",
            summary(done.PlaylistActionResult.TrackActionResults))
    end)

    it("can be built only where they are one request", function()
        local client = api.client({ all_added })
        local built, err = client:build("collection_add", ids(101))
        assert.is_nil(built)
        assert.equal("ids", err.argument)
        built, err = client:build("playlist_create", { name = "n", tracks = ids(101) })
        assert.is_nil(built)
        assert.equal("tracks", err.argument)
    end)

    it("say so where the service speaks of some ids alone", function()
        local function first_only(request)
            return '{"TrackActionResults":[{"InputId":"'
                .. response.decode(request.body).TrackIds[1]:upper() .. '","Id":"c"}]}'
        end
        local client = api.client({ all_added, first_only })
        local done = assert(client:collection_add(ids(103)))
        assert.equal("ok x 101, UNKNOWN x 2", summary(done.TrackActionResults))
    end)

    describe("of look-ups", function()
        local LONG = { ("a"):rep(200), ("b"):rep(200), ("c"):rep(200) }
        local NOTHING = api.failure(404, "CATALOG_NO_RESULT")

        local function found(id, code)
            return '{"Albums":{"Items":[{"Id":"' .. id .. '"}]}'
                .. (code and ',"Error":{"ErrorCode":"' .. code .. '","Message":"m"}' or "") .. "}"
        end

        local function look_up(...)
            local client, seen = api.client({ ... })
            local page, err = client:lookup(LONG)
            assert.equal(3, #seen)
            return page, err
        end

        it("have the first Error, as an answer to one request has", function()
            local page, err = look_up(found("a"), found("b", "CATALOG-INVALID-DATA"),
                found("c", "CATALOG-NO-RESULT"))
            assert.same({ ErrorCode = "CATALOG-INVALID-DATA", Message = "m" }, page.Error)
            assert.equal("CATALOG_INVALID_DATA", err.code)
            assert.equal(3, #page.Albums.Items)
        end)

        it("have one also where a part holds nothing else", function()
            local page, err = look_up(NOTHING, found("b", "CATALOG-INVALID-DATA"), NOTHING)
            assert.same({ ErrorCode = "CATALOG_NO_RESULT", Description = "as asked for" },
                page.Error)
            assert.is_true(err.no_result)
            assert.equal(1, #page.Albums.Items)
        end)

        it("have none where all is well", function()
            local page, err = look_up(found("a"), found("b"), found("c"))
            assert.is_nil(page.Error)
            assert.is_nil(err)
        end)
    end)

    it("work as calls", function()
        local client = api.client({ all_added, lost })
        local done, err = client.async:collection_add(ids(150)):wait()
        assert.equal("connection_broken", err.code)
        assert.equal("ok x 100, UNKNOWN x 50", summary(done.TrackActionResults))
    end)

    it("never repeat a POST, whatever the service says", function()
        for _, status in ipairs({ 429, 500, 502, 503, 504 }) do
            local client, seen = api.client({ { status = status, headers = {}, body = "" } })
            local _, err = client:collection_add(ids(3))
            assert.equal(status, err.status)
            assert.equal(1, #seen)
        end
    end)
end)
