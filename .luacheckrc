std = "min" -- what every Lua from 5.1 on and LuaJIT have
max_line_length = 100
codes = true
exclude_files = { "build", "lua_modules", ".luarocks" }

files["spec"] = { std = "max+busted" }
files["examples"] = { std = "max" }
files["bench"] = { std = "max" }
files["lua/groove/sandbox"] = { globals = { "ngx" } }
files["lua/groove/nginx"] = { globals = { "ngx" } }
files["types"] = { std = "max", ignore = { "111", "112", "113", "131", "212", "241" }, max_line_length = false }
