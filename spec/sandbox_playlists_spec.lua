-- A user's playlists: what changes them, read back.

local stand_in = require("spec.support.stand_in")
local text = require("groove.sandbox.text")

local TRACK = "music.A83EB907-0100-11DB-89CA-0019B92A3933"

local code_of, ids_of, mapped = stand_in.code_of, stand_in.ids_of, stand_in.mapped
local profile, sample = stand_in.collection_of, stand_in.tracks

local function add(user, ids)
    return user:post("collection/add", { TrackIds = ids })
end

describe("a playlist", function()
    local user, id

    before_each(function()
        user = stand_in.user(stand_in.new({ playlist_limit = 40 }), "ann")
        id = user:post("collection/playlists/create", { Name = "First" }).PlaylistActionResult.Id
    end)

    local function actions(action, ids)
        local out = {}
        for i, one in ipairs(ids) do
            out[i] = { Id = one, Action = action }
        end
        return out
    end

    local function update(fields)
        fields.Id = id
        return user:post("collection/playlists/update", fields)
    end

    local function look()
        local answer = user:get(id .. "/lookup?source=collection")
        return answer.Playlists.Items[1]
    end

    -- Ids in the playlist, in its order, with all pages.
    local function held()
        if look().TrackCount == 0 then
            return {}
        end
        return ids_of((user:all(id .. "/collection/playlist/tracks/browse", "",
            function(answer) return answer.Playlists.Items[1].Tracks end)))
    end

    local function fill(count)
        local answer = update({ TrackActions = actions("Add", ids_of(sample(count))) })
        assert.is_nil(answer.Error)
        return mapped(answer.PlaylistActionResult.TrackActionResults, "Id")
    end

    it("is made, with tracks or without", function()
        assert.matches("^music%.playlist%.%x+%-%x+%-%x+%-%x+%-%x+$", id)
        local answer, status = user:post("collection/playlists/create", {
            Name = "Second", IsPublished = true, TrackActions = actions("Add", { TRACK, TRACK }),
        })
        assert.equal(200, status)
        local result = answer.PlaylistActionResult
        assert.equal("Second", result.Name)
        assert.is_true(result.IsPublished)
        assert.same({ TRACK, TRACK }, mapped(result.TrackActionResults, "InputId"))
        assert.is_true(result.TrackActionResults[1].Id ~= result.TrackActionResults[2].Id)
        local lists = user:get("music/collection/playlists/browse").Playlists.Items
        assert.same({ "Second", "First" }, mapped(lists, "Name"))
        assert.equal(2, profile(user).PlaylistCount)
        -- a track of a playlist is not one of the collection
        assert.equal(0, profile(user).TrackCount)
    end)

    it("shows whose it is, and what it holds", function()
        fill(3)
        local list = look()
        assert.equal("First", list.Name)
        assert.equal("Collection", list.Source)
        assert.is_true(list.UserIsOwner)
        assert.is_false(list.IsReadOnly)
        assert.is_false(list.IsPublished)
        assert.equal(3, list.TrackCount)
        assert.equal(profile(user).Token, list.CollectionStateToken)
        assert.same(mapped(sample(3), "name"), mapped(list.Tracks.Items, "Name"))
        assert.is_nil(list.Tracks.ContinuationToken)
    end)

    it("holds more than a page, and goes on within a lookup of several", function()
        local ids = fill(30)
        assert.same(ids, held())
        local second = user:post("collection/playlists/create",
            { Name = "x", TrackActions = actions("Add", { TRACK }) }).PlaylistActionResult.Id
        local path = second .. "+" .. id .. "/lookup"
        local token = user:get(path .. "?source=collection").Playlists.Items[2].Tracks
            .ContinuationToken
        local answer = user:get(path .. "?continuationToken=" .. text.escape(token))
        assert.equal(2, #answer.Playlists.Items)
        assert.same({ ids[26], ids[27], ids[28], ids[29], ids[30] },
            ids_of(answer.Playlists.Items[2].Tracks.Items))
    end)

    it("changes its name and who sees it, each by itself", function()
        local answer = update({ Name = "Other" })
        assert.same({ Id = id, Name = "Other" }, answer.PlaylistActionResult)
        assert.is_false(look().IsPublished)
        answer = update({ IsPublished = true })
        assert.same({ Id = id, IsPublished = true }, answer.PlaylistActionResult)
        assert.equal("Other", look().Name)
        assert.is_true(look().IsPublished)
        update({ IsPublished = false })
        assert.is_false(look().IsPublished)
    end)

    it("takes deletions and additions, in their order, of any id", function()
        local ids = fill(3)
        local own = add(user, { TRACK }).TrackActionResults[1].Id
        local answer = update({ TrackActions = {
            { Id = ids[2], Action = "Delete" }, { Id = own, Action = "Add" },
            { Id = ids[2], Action = "Delete" }, { Id = ids[1], Action = "add" },
            { Id = sample(1)[1].id, Action = "Delete" }, { Id = "music.none", Action = "Add" },
        } })
        assert.equal("COLLECTION_SOME_OPERATIONS_FAILED", code_of(answer))
        local results = answer.PlaylistActionResult.TrackActionResults
        assert.same({ InputId = ids[2] }, results[1])
        assert.equal("COLLECTION_INVALID_ID", code_of(results[3]))
        assert.equal("COLLECTION_INVALID_ID", code_of(results[5]))
        assert.equal("CATALOG_NO_RESULT", code_of(results[6]))
        assert.same({ ids[1], ids[3], results[2].Id, results[4].Id }, held())
        assert.equal("Get Lucky", look().Tracks.Items[3].Name)
        assert.equal(sample(1)[1].name, look().Tracks.Items[4].Name)
    end)

    it("moves tracks before another, or to the end, in the order given", function()
        local a = fill(5)
        local function move(ids, before)
            return update({ TrackActions = actions("Move", ids), InsertBeforeTrackId = before })
        end
        local answer = move({ a[5], a[3] }, a[1])
        assert.same({ { InputId = a[5] }, { InputId = a[3] } },
            answer.PlaylistActionResult.TrackActionResults)
        assert.same({ a[5], a[3], a[1], a[2], a[4] }, held())
        move({ a[5] })
        assert.same({ a[3], a[1], a[2], a[4], a[5] }, held())
        move({ a[4], a[3] }, a[5])
        assert.same({ a[1], a[2], a[4], a[3], a[5] }, held())
        local _, status = user:post("collection/playlists/update", '{"Id":"' .. id
            .. '","InsertBeforeTrackId":null,"TrackActions":[{"Id":"' .. a[1]
            .. '","Action":"Move"}]}')
        assert.equal(200, status)
        assert.same({ a[2], a[4], a[3], a[5], a[1] }, held())
        answer = move({ "music.none", a[1], a[1] }, a[2])
        assert.equal("COLLECTION_SOME_OPERATIONS_FAILED", code_of(answer))
        local results = answer.PlaylistActionResult.TrackActionResults
        assert.equal("COLLECTION_INVALID_ID", code_of(results[1]))
        assert.is_nil(results[2].Error)
        assert.equal("COLLECTION_INVALID_ID", code_of(results[3]))
        assert.same({ a[1], a[2], a[4], a[3], a[5] }, held())
    end)

    it("is full some time", function()
        local first = fill(39)
        local answer, status = update({ TrackActions = actions("Add", { TRACK, TRACK }) })
        assert.equal(200, status)
        local results = answer.PlaylistActionResult.TrackActionResults
        assert.is_string(results[1].Id)
        assert.equal("COLLECTION_PLAYLIST_FULL", code_of(results[2]))
        answer, status = update({ TrackActions = actions("Add", { TRACK }) })
        assert.equal(400, status)
        assert.equal("COLLECTION_PLAYLIST_FULL", code_of(answer))
        answer, status = update({ Name = "Full", TrackActions = actions("Add", { TRACK }) })
        assert.equal(200, status)
        assert.equal("COLLECTION_SOME_OPERATIONS_FAILED", code_of(answer))
        assert.equal("Full", look().Name)
        assert.equal(40, look().TrackCount)
        answer = update({ TrackActions = {
            { Id = first[1], Action = "Delete" }, { Id = TRACK, Action = "Add" },
        } })
        assert.is_nil(answer.Error)
    end)

    it("is one of a hundred at most", function()
        for _ = 2, 100 do
            user:post("collection/playlists/create", { Name = "x" })
        end
        local answer, status = user:post("collection/playlists/create", { Name = "x" })
        assert.equal(400, status)
        assert.equal("COLLECTION_FULL", code_of(answer))
        assert.equal(0, profile(user).RemainingPlaylistCount)
        user:post("collection/playlists/delete", { Id = id })
        answer = user:post("collection/playlists/create", { Name = "x" })
        assert.is_nil(answer.Error)
    end)

    it("is deleted", function()
        local ids = fill(2)
        local answer, status = user:post("collection/playlists/delete", { Id = id })
        assert.equal(200, status)
        assert.same({ PlaylistActionResult = { Id = id } }, answer)
        answer, status = user:get(id .. "/lookup?source=collection")
        assert.equal(404, status)
        assert.equal("COLLECTION_NO_RESULT", code_of(answer))
        answer, status = user:get(ids[1] .. "/lookup?source=collection")
        assert.equal(404, status)
        assert.equal("COLLECTION_NO_RESULT", code_of(answer))
        answer, status = user:post("collection/playlists/delete", { Id = id })
        assert.equal(400, status)
        assert.equal("COLLECTION_INVALID_ID", code_of(answer))
    end)

    it("is its user's", function()
        local other = stand_in.user(user.server, "bob")
        local answer = other:post("collection/playlists/update", { Id = id, Name = "Mine" })
        assert.equal("COLLECTION_INVALID_ID", code_of(answer))
        answer = other:post("collection/playlists/delete", { Id = id })
        assert.equal("COLLECTION_INVALID_ID", code_of(answer))
        answer = other:get(id .. "/lookup?source=collection")
        assert.equal("COLLECTION_NO_RESULT", code_of(answer))
        assert.equal("First", look().Name)
    end)

    -- What the catalogue shows of it; the answer where that is nothing.
    local function shown(who)
        local answer = who:get(id .. "/lookup")
        return answer.Playlists and answer.Playlists.Items[1] or answer
    end

    it("is shown to others while it is published, and is not theirs", function()
        fill(3)
        local app, other = stand_in.user(user.server), stand_in.user(user.server, "bob")
        for _, who in ipairs({ app, other, user }) do
            assert.equal("CATALOG_NO_RESULT", code_of(shown(who)))
        end
        update({ IsPublished = true })
        for _, who in ipairs({ app, other, user }) do
            local list = shown(who)
            assert.equal("First", list.Name)
            assert.equal("Catalog", list.Source)
            assert.equal(3, list.TrackCount)
            assert.is_true(list.IsPublished)
            assert.equal(who == user, list.UserIsOwner)
            assert.equal(who ~= user, list.IsReadOnly)
            assert.is_nil(list.CollectionStateToken)
            assert.same(ids_of(sample(3)), ids_of(list.Tracks.Items))
        end
        local answer = user:get(id .. "/lookup?source=catalog%2Bcollection")
        assert.equal("Collection", answer.Playlists.Items[1].Source)
        answer = other:get(id .. "/lookup?source=catalog%2Bcollection")
        assert.equal("Catalog", answer.Playlists.Items[1].Source)
        answer = other:get(id .. "/lookup?source=collection")
        assert.equal("COLLECTION_NO_RESULT", code_of(answer))
        update({ IsPublished = false })
        assert.equal("CATALOG_NO_RESULT", code_of(shown(other)))
    end)

    it("can be walked by others while it is published", function()
        fill(30)
        update({ IsPublished = true })
        local app = stand_in.user(user.server)
        local function tracks(answer)
            return answer.Playlists.Items[1].Tracks
        end
        local browse = id .. "/catalog/playlist/tracks/browse"
        assert.same(ids_of(sample(30)), ids_of((app:all(browse, "?maxItems=7", tracks))))
        assert.same(ids_of(sample(30)), ids_of((app:all(id .. "/lookup", "", tracks))))
        local token = text.escape(tracks(app:get(browse)).ContinuationToken)
        update({ IsPublished = false })
        assert.equal("CONTINUATION_TOKEN_INVALID_ERROR",
            code_of(app:get(browse .. "?continuationToken=" .. token)))
        assert.equal("CATALOG_NO_RESULT", code_of(app:get(browse)))
    end)

    describe("has a state", function()
        local function state()
            return look().CollectionStateToken
        end

        it("which every change changes, and nothing else", function()
            local ids = fill(2)
            local seen, last = {}, nil
            local function changed(yes)
                local now = state()
                assert.equal(profile(user).Token, now)
                assert.equal(yes, now ~= last)
                assert.equal(yes, not seen[now])
                seen[now], last = true, now
            end
            changed(true)
            local own = add(user, { TRACK }).TrackActionResults[1].Id
            changed(true)
            add(user, { TRACK })
            changed(false)
            update({ TrackActions = actions("Move", { ids[1] }) })
            changed(true)
            update({ TrackActions = actions("Delete", { ids[1] }) })
            changed(true)
            update({ TrackActions = actions("Delete", { ids[1] }) })
            changed(false)
            update({ TrackActions = actions("Add", { TRACK }) })
            changed(true)
            update({ Name = "Other" })
            changed(true)
            user:post("collection/playlists/create", { Name = "x" })
            changed(true)
            user:post("collection/delete", { TrackIds = { own } })
            changed(true)
            stand_in.user(user.server, "bob"):post("collection/playlists/create", { Name = "x" })
            changed(false)
        end)

        it("whose token refuses an update that comes too late", function()
            local token = state()
            local answer, status = update({ Name = "In time", CollectionStateToken = token })
            assert.equal(200, status)
            assert.equal("In time", answer.PlaylistActionResult.Name)
            answer, status = update({
                Name = "Too late", CollectionStateToken = token, IsPublished = true,
                TrackActions = actions("Add", { TRACK }),
            })
            assert.equal(409, status)
            assert.equal("COLLECTION_CONCURRENT_UPDATE", code_of(answer))
            local list = look()
            assert.equal("In time", list.Name)
            assert.is_false(list.IsPublished)
            assert.equal(0, list.TrackCount)
            answer = update({ Name = "Again", CollectionStateToken = list.CollectionStateToken })
            assert.is_nil(answer.Error)
        end)
    end)
end)
