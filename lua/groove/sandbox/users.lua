--- The sandbox's users: made when their first token is asked for, and gone with the sandbox.
--
-- A user: `name`, `subscription` (boolean), `library` (`groove.sandbox.library`), `radios` (list,
-- the latest first), `playing` (`{ instance, ends }` of the last stream).
--
-- @module groove.sandbox.users

local dates = require("groove.sandbox.dates")
local library = require("groove.sandbox.library")

local M = {}

local methods = {}
local mt = { __index = methods }

-- From now on, so that a subscription never ends within a test.
local SUBSCRIPTION_SECONDS = 30 * 86400

--- No users yet.
-- @param settings as of `library.new`
function M.new(settings)
    return setmetatable({ settings = settings, by_name = {} }, mt)
end

--- The user of a name.
-- @param name
-- @param subscription whether the user has one from now on; nil: as before, at first yes
function methods:get(name, subscription)
    local user = self.by_name[name]
    if not user then
        user = {
            name = name, subscription = true, radios = {},
            library = library.new(name, self.settings),
        }
        self.by_name[name] = user
    end
    if subscription ~= nil then
        user.subscription = subscription
    end
    return user
end

--- A playlist that its user has published, as the catalogue shows it to everybody.
-- @return a record with its `owner`, or nil
function methods:published(id)
    for _, user in pairs(self.by_name) do
        local playlist = user.library:find_playlist(id)
        if playlist and playlist.published then
            return library.as_record(playlist, user)
        end
    end
end

local function collection_of(owned)
    local playlists = #owned.playlists
    return {
        Token = owned:state_token(),
        PlaylistCount = playlists, RemainingPlaylistCount = library.PLAYLISTS - playlists,
        TrackCount = owned.track_count,
        RemainingTrackCount = owned.track_limit - owned.track_count,
    }
end

--- The profile; without a user what there is in the country.
function M.profile(_, context)
    local user = context.user
    local profile = { IsSubscriptionAvailableForPurchase = true, Culture = context.culture }
    if user then
        profile.HasSubscription = user.subscription
        profile.Collection = collection_of(user.library)
        profile.Subscription = user.subscription and {
            Type = "Paid", Region = context.country,
            EndDate = dates.iso(context.time + SUBSCRIPTION_SECONDS),
        } or nil
    end
    return profile
end

return M
