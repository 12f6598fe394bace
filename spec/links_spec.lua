local groove = require("groove")
local api = require("spec.support.api")

local IMAGE = "https://musicimage.xboxlive.com/content/music.x/image?locale=en-US"
local LINK = "https://music.microsoft.com/Album/b13eb907?partnerID=AppId:01"
local ALBUM = { Id = "music.B13EB907", ImageUrl = IMAGE, Link = LINK }

local function refused(argument, url, err)
    assert.is_nil(url)
    assert.equal("argument", err.kind)
    assert.equal(argument, err.argument)
    return err.message
end

describe("groove.image_url", function()
    local image_url = groove.image_url

    it("leaves the address as it is where nothing is asked for", function()
        assert.equal(IMAGE, image_url(ALBUM))
        assert.equal(IMAGE, image_url(IMAGE, {}))
    end)

    it("adds size, mode and background, in this order", function()
        assert.equal(IMAGE .. "&w=300&h=200", image_url(ALBUM, { h = 200, w = 300 }))
        assert.equal(IMAGE .. "&w=300&h=200&mode=crop",
            image_url(ALBUM, { h = 200, w = 300, mode = "crop" }))
        assert.equal(IMAGE .. "&w=1&h=1&mode=letterbox&background=%231e1e1e",
            image_url(ALBUM, { h = 1, w = 1.0, mode = "letterbox", background = "#1e1e1e" }))
        assert.equal(IMAGE .. "&mode=scale", image_url(ALBUM, { mode = "scale" }))
        assert.equal(IMAGE .. "&mode=letterbox&background=black",
            image_url(ALBUM, { mode = "letterbox", background = "black" }))
    end)

    it("begins a query where there is none, and keeps a fragment behind it", function()
        assert.equal("https://h/i?w=1&h=2", image_url("https://h/i", { w = 1, h = 2 }))
        assert.equal("https://h/i?a=b&w=1&h=2#f", image_url("https://h/i?a=b#f", { w = 1, h = 2 }))
    end)

    it("refuses what the service forbids", function()
        assert.matches("both w and h", refused("h", image_url(ALBUM, { w = 300 })))
        assert.matches("both w and h", refused("w", image_url(ALBUM, { h = 300 })))
        refused("w", image_url(ALBUM, { w = 0, h = 1 }))
        refused("h", image_url(ALBUM, { w = 1, h = -1 }))
        assert.matches("scale, letterbox, crop",
            refused("mode", image_url(ALBUM, { mode = "fit" })))
        assert.matches("only with mode letterbox", refused("background",
            image_url(ALBUM, { mode = "crop", background = "red" })))
        refused("background", image_url(ALBUM, { background = "red" }))
        for _, bad in ipairs({ "", "#12", "#ggg", "1e1e1e", "red&x=y", "#1e1e1e#" }) do
            refused("background", image_url(ALBUM, { mode = "letterbox", background = bad }))
        end
    end)

    it("does not change a size that is there", function()
        refused("w", image_url(IMAGE .. "&w=1&h=2", { w = 3, h = 4 }))
        refused("mode", image_url(IMAGE .. "&mode=crop", { mode = "scale" }))
        assert.equal("https://h/?show=1&w=1&h=1", image_url("https://h/?show=1", { w = 1, h = 1 }))
    end)

    it("needs an item with a picture", function()
        refused("item", image_url({ Id = "music.x" }))
        refused("item", image_url("music.x"))
        refused("item", image_url({ ImageUrl = "https://h/a b" }))
        refused("item", image_url({ ImageUrl = 1 }))
    end)

    it("raises on wrong types and unknown options, at the caller's line", function()
        local text, position = api.raised(function()
            image_url()
        end)
        assert.equal("groove.image_url: item must be an object of the service's or a string, "
            .. "got nil", text)
        assert.matches("links_spec.lua", position)
        assert.matches("w must be an integer", api.raised(image_url, ALBUM, { w = "300" }))
        assert.matches("unknown option 'q'", api.raised(image_url, ALBUM, { q = 90 }))
    end)
end)

describe("groove.deep_link", function()
    local deep_link = groove.deep_link

    it("is the item's link", function()
        assert.equal(LINK, deep_link(ALBUM))
        assert.equal(LINK .. "&action=play&target=web",
            deep_link(ALBUM, { target = "web", action = "play" }))
        assert.equal("https://h/x?action=buy", deep_link("https://h/x", { action = "buy" }))
    end)

    it("is made of a type and an id where there is no link", function()
        assert.equal("https://music.microsoft.com/Track/A83E",
            deep_link("music.A83E", { type = "track" }))
        assert.equal("https://music.microsoft.com/Artist/C61C?action=view",
            deep_link({ Id = "music.C61C" }, { type = "Artist", action = "view" }))
        assert.equal("https://music.microsoft.com/Playlist/ae8d-00fe",
            deep_link("music.playlist.ae8d-00fe"))
        assert.equal("https://music.microsoft.com/Album/a%2Fb",
            deep_link("music.a/b", { type = "album" }))
    end)

    it("refuses what the service does not know", function()
        assert.matches("view, play, buy", refused("action", deep_link(ALBUM, { action = "sing" })))
        assert.matches("app, web", refused("target", deep_link(ALBUM, { target = "tv" })))
        refused("type", deep_link("music.A83E"))
        refused("type", deep_link("music.A83E", { type = "radio" }))
        refused("item", deep_link({}))
        refused("item", deep_link({ Link = true }))
        refused("item", deep_link("music...", { type = "track" }))
        refused("action", deep_link(LINK .. "&action=play", { action = "view" }))
    end)

    it("raises on wrong types and unknown options", function()
        assert.matches("item must be", api.raised(deep_link, 7))
        assert.matches("unknown option 'w'", api.raised(deep_link, ALBUM, { w = 1 }))
    end)
end)
