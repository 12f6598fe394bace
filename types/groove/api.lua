---@meta _
-- The Groove API, for the Lua language server (and for people): the twenty methods of a client, their
-- options, and the objects of the answers. The rest of the public face is in types/groove.lua.
-- spec/types_spec.lua compares all of it with the endpoints' table and with answers of the service.

---@alias groove.Where "catalog"|"collection"
---@alias groove.Filter "artists"|"albums"|"tracks"|"playlists"
---@alias groove.Extra "albums"|"topTracks"|"relatedArtists"|"tracks"|"artistDetails"|"albumDetails"
---@alias groove.BrowseType "albums"|"artists"|"tracks"|"playlists"|"playlistsforyou"
---@alias groove.ParentType "album"|"artist"|"playlist"
---@alias groove.SubItems "tracks"|"albums"|"topTracks"
---@alias groove.CatalogOrder "ReleaseDate"|"AllTimePlayCount"|"MostPopular"
---@alias groove.CollectionOrder "ArtistName"|"AlbumTitle"|"TrackTitle"|"GenreName"|"ReleaseDate"|"CollectionDate"|"TrackNumber"

-- --- options ---------------------------------------------------------------------------------------

---Options of every method of the API.
---@class groove.CallOptions
---@field user_token? groove.UserToken for this call
---@field language? string two letters
---@field country? string two letters
---@field timeout? number of the whole call, with the token and repeats
---@field format? "json"|"xml" "xml": the answer's text is returned
---@field continuation_token? string of an earlier answer's list; without other optional parameters

---@class groove.SearchOptions: groove.CallOptions
---@field max_items? integer of each list, 1 to 25; 25 by default
---@field filters? groove.Filter|groove.Filter[] kinds of content wanted; all by default
---@field source? groove.Where|groove.Where[] "collection" needs a user's token

---@class groove.LookupOptions: groove.CallOptions
---@field extras? groove.Extra|groove.Extra[] more to know
---@field source? groove.Where|groove.Where[] "collection" needs a user's token

---@class groove.BrowseOptions: groove.CallOptions
---@field source? groove.Where "catalog" by default; "collection" needs a user's token
---@field order_by? groove.CatalogOrder|groove.CollectionOrder by the source and the type
---@field max_items? integer 1 to 25; 25 by default
---@field page? integer from 0
---@field genre? string a name of `genres`; of genre, mood and activity only one, and in the catalog
---@field mood? string an id of `moods`
---@field activity? string an id of `activities`

---@class groove.BrowseItemsOptions: groove.CallOptions
---@field source? groove.Where "catalog" by default; "collection" needs a user's token
---@field order_by? groove.CatalogOrder|groove.CollectionOrder by the source and the extra
---@field max_items? integer 1 to 25; 25 by default
---@field page? integer from 0

---@class groove.GenresOptions: groove.CallOptions

---@class groove.MoodsOptions: groove.CallOptions

---@class groove.ActivitiesOptions: groove.CallOptions

---@class groove.NewReleasesOptions: groove.CallOptions
---@field genre? string a name of `genres`; all by default

---@class groove.SpotlightOptions: groove.CallOptions

---@class groove.PreviewOptions: groove.CallOptions
---@field client_instance_id? string 32 to 128 characters; the client's by default

---@class groove.StreamOptions: groove.CallOptions
---@field client_instance_id? string 32 to 128 characters; the client's by default

---@class groove.ProfileOptions: groove.CallOptions

---@class groove.CollectionAddOptions: groove.CallOptions

---@class groove.CollectionDeleteOptions: groove.CallOptions

---@class groove.PlaylistCreateOptions: groove.CallOptions

---@class groove.PlaylistUpdateOptions: groove.CallOptions

---@class groove.PlaylistDeleteOptions: groove.CallOptions

---@class groove.RadioCreateOptions: groove.CallOptions
---@field max_items? integer 1 to 25; 25 by default

---@class groove.RadioNextOptions: groove.CallOptions
---@field max_items? integer 1 to 25; 25 by default

---@class groove.RadioRecentOptions: groove.CallOptions
---@field max_items? integer 1 to 25; 25 by default
---@field page? integer from 0

---What `playlist_create` makes.
---@class groove.NewPlaylist
---@field name string 1 to 256 characters
---@field published? boolean whether others may see it; false by default
---@field tracks? string|string[] ids of tracks

---What `playlist_update` changes: `id` and at least one other of name, published, add, delete, move.
---@class groove.PlaylistChange
---@field id string the playlist's
---@field name? string 1 to 256 characters
---@field published? boolean whether others may see it
---@field add? string|string[] ids, in the catalogue, of tracks to add
---@field delete? string|string[] ids, in the playlist, of tracks to take out
---@field move? string|string[] ids, in the playlist, of tracks to move; not with `add` and `delete`
---@field insert_before? string id, in the playlist, of the track before which those of `move` go; else to the end
---@field collection_state_token? string of the playlist as it was read

---What a radio starts from: an artist or a genre, not both.
---@class groove.RadioSeed
---@field artist? string an artist's id
---@field genre? string a genre's name

-- --- objects of the answers, with the names of the wire ----------------------------------------------

---What went wrong, in an answer that may hold results as well.
---@class groove.ServiceError
---@field ErrorCode string as the service spells it, with "_" or "-"
---@field Description? string
---@field Message? string

---What artists, albums, tracks, playlists and radios have in common.
---@class groove.Content
---@field Id string
---@field Name string
---@field ImageUrl? string see `groove.image_url`
---@field Link? string see `groove.deep_link`
---@field OtherIds? table<string, string> by their namespace: "music.isrc", "music.icpn", "music.amg"
---@field Source? string "Catalog" or "Collection": where it has been found
---@field CompatibleSources? string "Catalog, Collection": where its id can be looked up

---@class groove.Artist: groove.Content
---@field Biography? string of a lookup by id
---@field Genres? string[]
---@field Subgenres? string[]
---@field Albums? groove.AlbumList with the extra "albums"
---@field TopTracks? groove.TrackList with the extra "topTracks"
---@field RelatedArtists? groove.ArtistList with the extra "relatedArtists"

---@class groove.Album: groove.Content
---@field Subtitle? string
---@field ReleaseDate? string ISO 8601
---@field Duration? string "HH:MM:SS"
---@field TrackCount? integer
---@field IsExplicit? boolean
---@field LabelName? string
---@field AlbumType? string "Album", "Single", ...
---@field Genres? string[]
---@field Subgenres? string[]
---@field Artists? groove.Contributor[]
---@field Tracks? groove.TrackList with the extra "tracks"

---@class groove.Track: groove.Content
---@field Subtitle? string
---@field ReleaseDate? string ISO 8601
---@field Duration? string "HH:MM:SS"
---@field TrackNumber? integer
---@field IsExplicit? boolean
---@field Rights? string[] "Purchase", "Stream", "FreeStream"
---@field Genres? string[]
---@field Subgenres? string[]
---@field Album? groove.Album
---@field Artists? groove.Contributor[]

---@class groove.Playlist: groove.Content
---@field Description? string
---@field Provider? string of a playlist of the catalogue
---@field TrackCount? integer
---@field Duration? string "HH:MM:SS"
---@field IsReadOnly? boolean
---@field IsPublished? boolean
---@field UserIsOwner? boolean
---@field CollectionStateToken? string for `playlist_update`
---@field Tracks? groove.TrackList

---An id for `radio_next`.
---@class groove.Radio: groove.Content

---@class groove.Contributor
---@field Role? string "Main", "Featured", ...
---@field Artist groove.Artist

---@class groove.Genre
---@field Name string
---@field ParentName? string of a subgenre
---@field HasEditorialPlaylists? boolean

---@class groove.Mood
---@field Id string
---@field Name string
---@field Description? string
---@field ImageUrl? string

---@class groove.Activity
---@field Id string
---@field Name string
---@field Description? string
---@field ImageUrl? string

---What is new or recommended: an album or an artist.
---@class groove.ContentItem
---@field Type "Albums"|"Artists"
---@field Album? groove.Album
---@field Artist? groove.Artist

---A list of an answer; `each`, `next_page` and `collect` continue it.
---@class groove.List
---@field Items table[]
---@field ContinuationToken? string nil at the end
---@field TotalItemCount? integer an estimate

---@class groove.ArtistList: groove.List
---@field Items groove.Artist[]

---@class groove.AlbumList: groove.List
---@field Items groove.Album[]

---@class groove.TrackList: groove.List
---@field Items groove.Track[]

---@class groove.PlaylistList: groove.List
---@field Items groove.Playlist[]

---@class groove.RadioList: groove.List
---@field Items groove.Radio[]

---@class groove.ContentItemList: groove.List
---@field Items groove.ContentItem[]

---A page: what the method asked for, the rest is nil.
---@class groove.ContentResponse
---@field Artists? groove.ArtistList
---@field Albums? groove.AlbumList
---@field Tracks? groove.TrackList
---@field Playlists? groove.PlaylistList
---@field Results? groove.ContentItemList of `new_releases` and `spotlight`
---@field Radios? groove.RadioList of `radio_recent`
---@field CatalogGenres? groove.Genre[] of `genres`
---@field CatalogMoods? groove.Mood[] of `moods`
---@field Moods? groove.Mood[] the same as CatalogMoods
---@field CatalogActivities? groove.Activity[] of `activities`
---@field Activities? groove.Activity[] the same as CatalogActivities
---@field Culture? string language and country of the answer, "en-US"
---@field Error? groove.ServiceError

---@class groove.StreamResponse
---@field Url string
---@field ContentType string
---@field ExpiresOn? string ISO 8601; of `stream`
---@field Error? groove.ServiceError

---@class groove.RadioResponse
---@field SessionId string for `radio_next`
---@field Tracks groove.Track[]
---@field Error? groove.ServiceError

---@class groove.UserProfileResponse
---@field HasSubscription? boolean nil with an application's token
---@field IsSubscriptionAvailableForPurchase? boolean
---@field Culture? string language and country of the answer, "en-US"
---@field Collection? groove.CollectionState nil with an application's token
---@field Subscription? groove.SubscriptionState
---@field Error? groove.ServiceError

---@class groove.CollectionState
---@field Token? string changes with the collection
---@field TrackCount? integer
---@field RemainingTrackCount? integer how many more fit
---@field PlaylistCount? integer
---@field RemainingPlaylistCount? integer how many more fit

---@class groove.SubscriptionState
---@field Type? string "Paid", ...
---@field Region? string two letters
---@field EndDate? string ISO 8601

---@class groove.TrackActionResponse
---@field TrackActionResults groove.TrackActionResult[] in the order of the ids
---@field Error? groove.ServiceError

---What came of one id: `Id` or `Error`.
---@class groove.TrackActionResult
---@field InputId? string the id that was given
---@field Id? string the track's in the collection or the playlist
---@field Error? groove.ServiceError

---@class groove.PlaylistActionResponse
---@field PlaylistActionResult? groove.PlaylistActionResult
---@field Error? groove.ServiceError

---@class groove.PlaylistActionResult
---@field Id string
---@field Name? string
---@field IsReadOnly? boolean
---@field IsPublished? boolean
---@field TrackActionResults? groove.TrackActionResult[] in the order of the tracks

-- --- methods ---------------------------------------------------------------------------------------

---@class groove.Client
local Client = {}

---Searches the catalogue, the user's collection or both.
---@param query string what to look for
---@param opts? groove.SearchOptions
---@return groove.ContentResponse? page
---@return groove.Error? err
function Client:search(query, opts) end

---Looks up artists, albums, tracks and playlists by id.
---@param ids string|string[] any number; more than 250 characters make several requests
---@param opts? groove.LookupOptions
---@return groove.ContentResponse? page
---@return groove.Error? err
function Client:lookup(ids, opts) end

---Goes through the catalogue or the user's collection.
---@param type groove.BrowseType "playlistsforyou" only of a collection
---@param opts? groove.BrowseOptions
---@return groove.ContentResponse? page
---@return groove.Error? err
function Client:browse(type, opts) end

---Goes through what an album, an artist or a playlist holds.
---@param parent_type groove.ParentType what the id is of
---@param id string
---@param extra groove.SubItems what is wanted; "albums" and "topTracks" of an artist
---@param opts? groove.BrowseItemsOptions
---@return groove.ContentResponse? page
---@return groove.Error? err
function Client:browse_items(parent_type, id, extra, opts) end

---The genres of a country: `CatalogGenres`.
---@param opts? groove.GenresOptions
---@return groove.ContentResponse? page
---@return groove.Error? err
function Client:genres(opts) end

---The moods that `browse` knows: `CatalogMoods`.
---@param opts? groove.MoodsOptions
---@return groove.ContentResponse? page
---@return groove.Error? err
function Client:moods(opts) end

---The activities that `browse` knows: `CatalogActivities`.
---@param opts? groove.ActivitiesOptions
---@return groove.ContentResponse? page
---@return groove.Error? err
function Client:activities(opts) end

---What is new: `Results`.
---@param opts? groove.NewReleasesOptions
---@return groove.ContentResponse? page
---@return groove.Error? err
function Client:new_releases(opts) end

---What the editors recommend: `Results`.
---@param opts? groove.SpotlightOptions
---@return groove.ContentResponse? page
---@return groove.Error? err
function Client:spotlight(opts) end

---The address of a 30 s MP3 of a track.
---@param id string a track's
---@param opts? groove.PreviewOptions
---@return groove.StreamResponse? stream
---@return groove.Error? err
function Client:preview(id, opts) end

---The address of a whole track, for users with a subscription.
---@param id string a track's
---@param opts? groove.StreamOptions
---@return groove.StreamResponse? stream
---@return groove.Error? err
function Client:stream(id, opts) end

---The user's subscription and collection; or what there is in a country.
---@param opts? groove.ProfileOptions
---@return groove.UserProfileResponse? profile
---@return groove.Error? err
function Client:profile(opts) end

---Adds tracks of the catalogue to the user's collection.
---@param ids string|string[] of tracks; more than 100 make several requests
---@param opts? groove.CollectionAddOptions
---@return groove.TrackActionResponse? result
---@return groove.Error? err
function Client:collection_add(ids, opts) end

---Takes tracks out of the user's collection.
---@param ids string|string[] of tracks, in the collection; more than 100 make several requests
---@param opts? groove.CollectionDeleteOptions
---@return groove.TrackActionResponse? result
---@return groove.Error? err
function Client:collection_delete(ids, opts) end

---Makes a playlist.
---@param playlist groove.NewPlaylist
---@param opts? groove.PlaylistCreateOptions
---@return groove.PlaylistActionResponse? result
---@return groove.Error? err
function Client:playlist_create(playlist, opts) end

---Changes a playlist: its name, who sees it, its tracks or their order.
---@param playlist groove.PlaylistChange
---@param opts? groove.PlaylistUpdateOptions
---@return groove.PlaylistActionResponse? result
---@return groove.Error? err
function Client:playlist_update(playlist, opts) end

---Deletes a playlist of the user's.
---@param id string the playlist's
---@param opts? groove.PlaylistDeleteOptions
---@return groove.PlaylistActionResponse? result
---@return groove.Error? err
function Client:playlist_delete(id, opts) end

---Starts a radio from an artist or a genre.
---@param seed groove.RadioSeed
---@param opts? groove.RadioCreateOptions
---@return groove.RadioResponse? radio
---@return groove.Error? err
function Client:radio_create(seed, opts) end

---The next tracks of a radio, which has no end.
---@param id string the latest `SessionId`, or a radio's id
---@param opts? groove.RadioNextOptions
---@return groove.RadioResponse? radio
---@return groove.Error? err
function Client:radio_next(id, opts) end

---The radios that the user has played last: `Radios`.
---@param opts? groove.RadioRecentOptions
---@return groove.ContentResponse? page
---@return groove.Error? err
function Client:radio_recent(opts) end

---@class groove.AsyncClient
local AsyncClient = {}

---@param query string
---@param opts? groove.SearchOptions
---@return groove.Call
function AsyncClient:search(query, opts) end

---@param ids string|string[]
---@param opts? groove.LookupOptions
---@return groove.Call
function AsyncClient:lookup(ids, opts) end

---@param type groove.BrowseType
---@param opts? groove.BrowseOptions
---@return groove.Call
function AsyncClient:browse(type, opts) end

---@param parent_type groove.ParentType
---@param id string
---@param extra groove.SubItems
---@param opts? groove.BrowseItemsOptions
---@return groove.Call
function AsyncClient:browse_items(parent_type, id, extra, opts) end

---@param opts? groove.GenresOptions
---@return groove.Call
function AsyncClient:genres(opts) end

---@param opts? groove.MoodsOptions
---@return groove.Call
function AsyncClient:moods(opts) end

---@param opts? groove.ActivitiesOptions
---@return groove.Call
function AsyncClient:activities(opts) end

---@param opts? groove.NewReleasesOptions
---@return groove.Call
function AsyncClient:new_releases(opts) end

---@param opts? groove.SpotlightOptions
---@return groove.Call
function AsyncClient:spotlight(opts) end

---@param id string
---@param opts? groove.PreviewOptions
---@return groove.Call
function AsyncClient:preview(id, opts) end

---@param id string
---@param opts? groove.StreamOptions
---@return groove.Call
function AsyncClient:stream(id, opts) end

---@param opts? groove.ProfileOptions
---@return groove.Call
function AsyncClient:profile(opts) end

---@param ids string|string[]
---@param opts? groove.CollectionAddOptions
---@return groove.Call
function AsyncClient:collection_add(ids, opts) end

---@param ids string|string[]
---@param opts? groove.CollectionDeleteOptions
---@return groove.Call
function AsyncClient:collection_delete(ids, opts) end

---@param playlist groove.NewPlaylist
---@param opts? groove.PlaylistCreateOptions
---@return groove.Call
function AsyncClient:playlist_create(playlist, opts) end

---@param playlist groove.PlaylistChange
---@param opts? groove.PlaylistUpdateOptions
---@return groove.Call
function AsyncClient:playlist_update(playlist, opts) end

---@param id string
---@param opts? groove.PlaylistDeleteOptions
---@return groove.Call
function AsyncClient:playlist_delete(id, opts) end

---@param seed groove.RadioSeed
---@param opts? groove.RadioCreateOptions
---@return groove.Call
function AsyncClient:radio_create(seed, opts) end

---@param id string
---@param opts? groove.RadioNextOptions
---@return groove.Call
function AsyncClient:radio_next(id, opts) end

---@param opts? groove.RadioRecentOptions
---@return groove.Call
function AsyncClient:radio_recent(opts) end
