--- The wire shape of catalogue records, as the service's answers have it.
--
-- @module groove.sandbox.objects

local catalogue = require("groove.sandbox.catalogue")
local names = require("groove.sandbox.names")
local orders = require("groove.sandbox.orders")

local M = {}

local PAGE_NAMES = {
    artists = "Artist", albums = "Album", tracks = "Track", playlists = "Playlist",
}

local function clock(seconds)
    return ("%02d:%02d:%02d"):format(
        math.floor(seconds / 3600), math.floor(seconds / 60) % 60, seconds % 60)
end

local function local_id(id)
    return (id:gsub("^music%.", ""):gsub("^playlist%.", ""))
end

-- The members that every object has, on every level.
local function content(record, context)
    return {
        Id = record.id,
        Name = record.name,
        ImageUrl = ("https://musicimage.xboxlive.com/content/%s/image?locale=%s"):format(
            record.id, context.culture),
        Link = ("https://music.microsoft.com/%s/%s?partnerID=Sandbox"):format(
            PAGE_NAMES[record.kind], local_id(record.id)),
        Source = "Catalog",
        CompatibleSources = record.kind == "playlists" and "Catalog" or "Catalog, Collection",
    }
end

local function genres(object, record)
    local row = names.genres[record.genre]
    object.Genres = { row[1] }
    object.Subgenres = { row[record.sub] }
end

-- --- rights --------------------------------------------------------------------------------------

-- One of so many tracks cannot be streamed anywhere; one of so many not in a country.
local NOWHERE, NOT_HERE = 5, 16

local function country_number(culture)
    local first, second = culture:byte(-2, -1)
    return first * 256 + second
end

--- Whether a track may be streamed where the context is. What the documentation names may be
-- everywhere.
function M.can_stream(track, context)
    if track.artist.documented then
        return true
    end
    return track.number % NOWHERE ~= 0
        and orders.mix(track, country_number(context.culture)) % NOT_HERE ~= 0
end

-- --- kinds ---------------------------------------------------------------------------------------

local function contributors(context, main, guest, detailed)
    local make = detailed and M.artists or content
    local out = { { Role = "Main", Artist = make(main, context) } }
    if guest then
        out[2] = { Role = "Featured", Artist = make(guest, context) }
    end
    return out
end

--- An artist. `context`: `{ culture = "en-US" }`, here and below.
function M.artists(record, context)
    local object = content(record, context)
    genres(object, record)
    object.OtherIds = { ["music.amg"] = catalogue.amg(record) }
    return object
end

--- What is said of an artist, where its details are asked for.
function M.biography(record)
    return ("%s: %d albums between %s and here, and still recording."):format(
        record.name, #record.albums, record.albums[1] and record.albums[1].date:sub(1, 4) or "then")
end

--- An album. `extras.artistdetails`: with more of its artists.
function M.albums(record, context, extras)
    local object = content(record, context)
    genres(object, record)
    object.ReleaseDate = record.date .. "T00:00:00Z"
    object.Duration = clock(record.seconds)
    object.TrackCount = #record.tracks
    object.IsExplicit = record.explicit or false
    object.LabelName = record.label
    object.AlbumType = record.album_type
    object.Artists = contributors(context, record.artist, nil, extras and extras.artistdetails)
    object.OtherIds = {
        ["music.amg"] = catalogue.amg(record), ["music.icpn"] = catalogue.icpn(record),
    }
    return object
end

--- A track, as it is within its album: without it.
-- `extras.artistdetails`: with more of its artists.
function M.album_tracks(record, context, extras)
    local object = content(record, context)
    genres(object, record.album)
    object.ReleaseDate = record.album.date .. "T00:00:00Z"
    object.Duration = clock(record.seconds)
    object.TrackNumber = record.position
    object.IsExplicit = record.explicit or false
    object.Rights = { "Purchase" }
    if M.can_stream(record, context) then
        object.Rights = { "Purchase", "Stream", "FreeStream" }
    end
    object.Subtitle = record.guest and "feat. " .. record.guest.name or nil
    object.Artists = contributors(
        context, record.artist, record.guest, extras and extras.artistdetails)
    object.OtherIds = {
        ["music.amg"] = catalogue.amg(record), ["music.isrc"] = catalogue.isrc(record),
    }
    return object
end

--- A track. `extras.albumdetails`, `extras.artistdetails`: with more of its album, its artists.
function M.tracks(record, context, extras)
    local object = M.album_tracks(record, context, extras)
    object.Album = (extras and extras.albumdetails and M.albums or content)(record.album, context)
    return object
end

--- A playlist, without its tracks. One that a user has published says whether it is this user's.
function M.playlists(record, context)
    local object = content(record, context)
    local seconds = 0
    for _, track in ipairs(record.tracks) do
        seconds = seconds + track.seconds
    end
    object.Description = record.description
    object.Provider = record.mood and "Groove Editors" or nil
    object.UserIsOwner = record.owner and record.owner == context.user
    object.IsReadOnly = not object.UserIsOwner
    object.IsPublished = true
    object.TrackCount = #record.tracks
    object.Duration = clock(seconds)
    return object
end

return M
