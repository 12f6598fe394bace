--- What one user has: tracks, what they make up (albums, artists), and playlists. Plain records, as
-- the catalogue's; `groove.sandbox.collection` gives them their wire shape.
--
--     track     kind, id, record (the catalogue's), added
--     album     kind, id, record, added, tracks
--     artist    kind, id, record, added, tracks
--     playlist  kind, id, name, added, tracks, published; `description` and `offered` of those that
--               are made for the user
--
-- `id` is the id in the collection; `added` counts what the user has added, and is the collection's
-- date. A track in a playlist has an id of its own there, and need not be in the collection.
--
-- @module groove.sandbox.library

local genres = require("groove.sandbox.names").genres
local index = require("groove.sandbox.index")
local seal = require("groove.sandbox.seal")
local text = require("groove.sandbox.text")

local M = {}

--- Limits of the service: tracks of a collection, playlists of a user, tracks of a playlist.
M.TRACKS, M.PLAYLISTS, M.PLAYLIST_TRACKS = 50000, 100, 1000

-- Lists made for the user: how many at most, and how long.
local OFFERS, OFFERED_TRACKS = 3, 30

local methods = {}
local mt = { __index = methods }

--- An empty library.
-- @param name the user's; ids depend on it
-- @param settings `collection_limit`, `playlist_limit`: other limits, both optional
function M.new(name, settings)
    return setmetatable({
        name = name,
        track_limit = settings.collection_limit or M.TRACKS,
        playlist_limit = settings.playlist_limit or M.PLAYLIST_TRACKS,
        by_id = {}, by_record = {}, placed = {}, playlists = {},
        track_count = 0, serial = 0, revision = 0, views = {},
    }, mt)
end

-- --- ids -----------------------------------------------------------------------------------------

-- Beginnings and lengths are the service's.
local SHAPES = {
    artists = { "\1\2\15", 14 }, albums = { "\1\1\15", 14 }, tracks = { "\1\4\31", 22 },
}

--- An id in the collection.
-- @param kind "artists", "albums" or "tracks"
-- @param what the id in the catalogue, or another text that is different for each
function methods:id_of(kind, what)
    local shape = SHAPES[kind]
    local digest = seal.digest(self.name .. "\n" .. what, shape[2])
    return "music." .. text.base64url(shape[1] .. digest)
end

local function list_id(self, space, what)
    return ("music.%s.%s"):format(space, seal.uuid(seal.digest(self.name .. "\n" .. what, 16)))
end

-- --- changes -------------------------------------------------------------------------------------

--- Notes a change: what was derived is made anew, and the state's token is another.
function methods:touch()
    self.revision = self.revision + 1
    self.views, self.groups, self.offers = {}, nil, nil
end

--- Changes with every change of the collection and its playlists.
function methods:state_token()
    return ("3.0.0.0.%d.%d.%d"):format(self.revision, self.revision, self.revision)
end

local function next_serial(self)
    self.serial = self.serial + 1
    return self.serial
end

--- Adds a track; one that is there already stays as it is.
-- @param record the catalogue's
-- @return the entry, or nil where the collection is full
function methods:add(record)
    local entry = self.by_record[record.id]
    if entry then
        return entry
    elseif self.track_count >= self.track_limit then
        return nil
    end
    entry = {
        kind = "tracks", id = self:id_of("tracks", record.id), record = record,
        added = next_serial(self),
    }
    self.by_id[entry.id], self.by_record[record.id] = entry, entry
    self.track_count = self.track_count + 1
    self:touch()
    return entry
end

--- Takes a track out.
-- @param id in the collection
-- @return whether it was there
function methods:remove(id)
    local entry = self.by_id[id]
    if not entry then
        return false
    end
    self.by_id[id], self.by_record[entry.record.id] = nil, nil
    self.track_count = self.track_count - 1
    self:touch()
    return true
end

--- Makes an empty playlist.
function methods:new_playlist(name, published)
    local added = next_serial(self)
    local playlist = {
        kind = "playlists", id = list_id(self, "playlist", ("%d"):format(added)), name = name,
        published = published, added = added, tracks = {},
    }
    table.insert(self.playlists, playlist)
    self:touch()
    return playlist
end

--- A playlist as a record of the catalogue's.
-- @param playlist
-- @param owner the user, where others see it
function M.as_record(playlist, owner)
    local records = {}
    for i, entry in ipairs(playlist.tracks) do
        records[i] = entry.record
    end
    return {
        kind = "playlists", id = playlist.id, name = playlist.name, tracks = records,
        description = playlist.description, owner = owner,
    }
end

--- Takes a playlist out.
function methods:remove_playlist(playlist)
    for i, other in ipairs(self.playlists) do
        if other == playlist then
            table.remove(self.playlists, i)
        end
    end
    for _, entry in ipairs(playlist.tracks) do
        self.placed[entry.id] = nil
    end
    self:touch()
end

--- Puts a track at the end of a playlist.
-- @return the entry, or nil where the playlist is full
function methods:place(playlist, record)
    if #playlist.tracks >= self.playlist_limit then
        return nil
    end
    local added = next_serial(self)
    local entry = {
        kind = "tracks", record = record, added = added,
        id = self:id_of("tracks", ("%s\n%d"):format(playlist.id, added)),
    }
    self.placed[entry.id] = entry
    table.insert(playlist.tracks, entry)
    self:touch()
    return entry
end

--- Where a track stands in a playlist.
-- @param id in the playlist
-- @return a number, or nil
function M.position(playlist, id)
    for i, entry in ipairs(playlist.tracks) do
        if entry.id == id then
            return i
        end
    end
end

--- Takes a track out of a playlist.
-- @return whether it was there
function methods:displace(playlist, id)
    local position = M.position(playlist, id)
    if not position then
        return false
    end
    table.remove(playlist.tracks, position)
    self.placed[id] = nil
    self:touch()
    return true
end

-- --- what is derived -----------------------------------------------------------------------------

-- What tracks are of: one entry for every album or artist of them, with its tracks.
local function group(self, tracks, kind, member)
    local list, seen = {}, {}
    for _, track in ipairs(tracks) do
        local record = track.record[member]
        local entry = seen[record.id]
        if not entry then
            entry = {
                kind = kind, id = self:id_of(kind, record.id), record = record, tracks = {},
                added = track.added,
            }
            seen[record.id] = entry
            list[#list + 1] = entry
        end
        table.insert(entry.tracks, track)
        entry.added = math.max(entry.added, track.added)
    end
    return list
end

local function all_tracks(self)
    local list = {}
    for _, entry in pairs(self.by_id) do
        list[#list + 1] = entry
    end
    table.sort(list, function(a, b) return a.added < b.added end)
    return list
end

local function groups_of(self)
    if not self.groups then
        local tracks = all_tracks(self)
        local groups = {
            tracks = tracks, by_id = {},
            albums = group(self, tracks, "albums", "album"),
            artists = group(self, tracks, "artists", "artist"),
        }
        for _, kind in ipairs({ "albums", "artists" }) do
            for _, entry in ipairs(groups[kind]) do
                groups.by_id[entry.id], groups.by_id[entry.record.id] = entry, entry
            end
        end
        self.groups = groups
    end
    return self.groups
end

--- The albums of an artist, as far as they are in the collection.
function methods:albums_of(artist)
    return group(self, artist.tracks, "albums", "album")
end

-- A list of a genre's tracks, those first that come first in the catalogue.
local function offer(self, genre, tracks)
    local name = genres[genre][1]
    local list = {
        kind = "playlists", id = list_id(self, "playlistforyou", name), offered = true,
        name = name .. " for you", added = genre, tracks = {},
        description = ("Because you have %s in your collection."):format(name),
    }
    for _, record in ipairs(tracks) do
        if record.album.genre == genre and #list.tracks < OFFERED_TRACKS then
            table.insert(list.tracks, {
                kind = "tracks", record = record, added = #list.tracks,
                id = self:id_of("tracks", list.id .. record.id),
            })
        end
    end
    return list
end

--- Playlists made for the user, of the genres that were added last; none without tracks.
-- @param catalogue the records to choose from
function methods:playlists_for_you(catalogue)
    if not self.offers then
        self.offers = {}
        local tracks, seen = groups_of(self).tracks, {}
        for i = #tracks, 1, -1 do
            local genre = tracks[i].record.album.genre
            if not seen[genre] and #self.offers < OFFERS then
                seen[genre] = true
                table.insert(self.offers, offer(self, genre, catalogue.tracks))
            end
        end
    end
    return self.offers
end

-- --- orders --------------------------------------------------------------------------------------

local function named(entry)
    return (entry.name or entry.record.name):lower()
end

local function album_of(entry)
    return entry.kind == "tracks" and entry.record.album or entry.record
end

local function artist_of(entry)
    return entry.kind == "artists" and entry.record or entry.record.artist
end

-- By the values of `orderBy`, in lower case.
local KEYS = {
    artistname = function(entry) return artist_of(entry).name:lower() end,
    albumtitle = function(entry) return album_of(entry).name:lower() end,
    tracktitle = named,
    genrename = function(entry)
        return genres[album_of(entry).genre][1]:lower()
    end,
    releasedate = function(entry) return album_of(entry).date end,
    collectiondate = function(entry) return entry.added end,
    tracknumber = function(entry) return entry.record.position end,
}

local LATEST_FIRST = { releasedate = true, collectiondate = true }

--- A list in an order: by name, or the latest first where it is one of dates.
-- @param entries is not changed
-- @param order a value of `orderBy`, in any case
function M.sorted(entries, order)
    local key, latest_first = KEYS[order:lower()], LATEST_FIRST[order:lower()]
    local keys, names, list = {}, {}, {}
    for i, entry in ipairs(entries) do
        list[i], keys[entry], names[entry] = entry, key(entry), named(entry)
    end
    table.sort(list, function(a, b)
        if keys[a] ~= keys[b] then
            return (keys[a] < keys[b]) ~= (latest_first or false)
        elseif names[a] ~= names[b] then
            return names[a] < names[b]
        end
        return a.added < b.added
    end)
    return list
end

--- All of a kind.
-- @param kind "artists", "albums", "tracks" or "playlists"
-- @param order a value of `orderBy`
function methods:list(kind, order)
    local place = kind .. "\n" .. order
    if not self.views[place] then
        local all = kind == "playlists" and self.playlists or groups_of(self)[kind]
        self.views[place] = M.sorted(all, order)
    end
    return self.views[place]
end

--- Those of a kind whose name, or whose artist's name, holds every word of a query; best first.
-- @param kind as of `list`
-- @param order of those that are equally good
function methods:search(kind, query, order)
    local place = "index\n" .. kind
    if not self.views[place] then
        local records, entry_of = {}, {}
        for i, entry in ipairs(self:list(kind, order)) do
            records[i] = entry.record or entry
            entry_of[records[i]] = entry
        end
        self.views[place] = { index = index.new(records), entry_of = entry_of }
    end
    local view, found = self.views[place], {}
    for i, record in ipairs(view.index:search(query)) do
        found[i] = view.entry_of[record]
    end
    return found
end

-- --- search by id --------------------------------------------------------------------------------

--- A playlist of the user's.
function methods:find_playlist(id)
    for _, playlist in ipairs(self.playlists) do
        if playlist.id == id then
            return playlist
        end
    end
end

local function find_offered(self, id, catalogue)
    for _, playlist in ipairs(self:playlists_for_you(catalogue)) do
        if playlist.id == id then
            return playlist
        end
    end
end

--- What an id names here: one in the collection, or that of a record of the catalogue which is in
-- the collection.
-- @param id
-- @param catalogue as of `playlists_for_you`
-- @return an entry, or nil
function methods:find(id, catalogue)
    return self.by_id[id] or self.by_record[id] or self.placed[id] or groups_of(self).by_id[id]
        or self:find_playlist(id) or find_offered(self, id, catalogue)
end

return M
