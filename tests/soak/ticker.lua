-- Writes a line every 10 ms until nobody reads them: the clock of a host whose main loop waits for
-- something that is not groove's.

local core = require("groove.core")

io.stdout:setvbuf("line")
repeat
    local pause = core.sleep(0.01)
    pause:wait()
until not io.write("\n")
