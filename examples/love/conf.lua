-- Without a window, LÖVE starts only what this program needs then.

-- luacheck: globals love

local NEEDS_A_WINDOW = {
    "window", "graphics", "font", "image", "video", "audio", "sound", "physics", "joystick",
    "keyboard", "mouse", "touch",
}

local function headless()
    for _, word in ipairs(arg) do
        if word == "--headless" then return true end
    end
    return false
end

function love.conf(t)
    t.version = "11.0"
    t.window.title = "groove"
    t.window.resizable = true
    t.modules.audio, t.modules.physics, t.modules.joystick = false, false, false
    if headless() then
        t.window = false
        for _, name in ipairs(NEEDS_A_WINDOW) do t.modules[name] = false end
    end
end
