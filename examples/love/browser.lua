-- What is seen of the catalogue: a view with a list that can be continued, and the views it was
-- opened from. Every call returns at once; what comes of it is here when groove.dispatch() has run.

local browser = { seen = 0, failed = 0, message = "" }

-- Where the list of a view is in an answer, by the name that next_page knows it by.
local LISTS = {
    results = { name = "Tracks", of = function(page) return page.Tracks end },
    album = {
        name = "Albums.1.Tracks", of = function(page) return page.Albums.Items[1].Tracks end,
    },
    artist = {
        name = "Artists.1.Albums", of = function(page) return page.Artists.Items[1].Albums end,
    },
}

local client
local call -- the one under way

function browser.start(with)
    client = with
end

local function add(view, page)
    local list = LISTS[view.kind].of(page)
    for _, item in ipairs(list and list.Items or {}) do
        view.items[#view.items + 1] = item
        browser.seen = browser.seen + 1
    end
    view.page = page
end

local function explain(err)
    if not err then
        browser.message = "That is all."
    elseif err.no_result then
        browser.message = "There is nothing."
    else
        browser.failed = browser.failed + 1
        browser.message = tostring(err)
        browser.problem = browser.problem or browser.message
    end
end

local function stop()
    if call then call:cancel() end
    call = nil
end

-- The latest wish counts: it takes the place of the call under way.
local function ask(wish, view)
    stop()
    browser.message = "..."
    call = wish:on_done(function(page, err, finished)
        if finished ~= call then return end
        call, browser.message = nil, ""
        if not page then return explain(err) end
        add(view, page)
        browser.view = view
    end)
end

local function new_view(kind, title, parent)
    return { kind = kind, title = title, parent = parent, items = {}, selected = 1 }
end

function browser.busy()
    return call ~= nil
end

function browser.search(query)
    local wish = client.async:search(query, { filters = "tracks" })
    ask(wish, new_view("results", ("Tracks with %q"):format(query)))
end

function browser.more()
    local view = browser.view
    if view and not call then
        ask(client.async:next_page(LISTS[view.kind].name, view.page), view)
    end
end

-- A track that is shown in its album does not name it: there is nothing to open then.
local function target_of(item, kind)
    if kind == "album" then return item.Album or not item.TrackNumber and item end
    return item.Artists and item.Artists[1] and item.Artists[1].Artist
end

-- The album or the artist of the selected item.
function browser.open(kind)
    local view = browser.view
    local item = view and view.items[view.selected]
    local target = item and target_of(item, kind)
    if target then
        local extras = kind == "album" and "tracks" or "albums"
        local wish = client.async:lookup(target.Id, { extras = extras })
        ask(wish, new_view(kind, target.Name, view))
    end
end

function browser.back()
    stop()
    browser.view, browser.message = browser.view.parent, ""
end

function browser.move(step)
    local view = browser.view
    if view then
        view.selected = math.max(1, math.min(#view.items, view.selected + step))
    end
end

return browser
