-- luacheck: globals love

function love.conf(t)
    t.identity = "groove-broker"
    t.modules.audio, t.modules.sound = false, false
    t.window.title = "groove: tokens from a broker"
    t.window.width, t.window.height = 480, 240
    for _, argument in ipairs(arg or {}) do
        if argument == "--headless" then -- for machines without a screen
            t.modules.window, t.modules.graphics = false, false
        end
    end
end
