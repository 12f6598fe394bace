#!/bin/bash
# make coverage: runs the tests once, on Lua 5.4, and says which lines of C and Lua they run.
# usage: tools/coverage.sh BUILD      BUILD: made with VARIANT=cov
# C is counted by gcov, Lua by a line hook (tools/coverage/hook.lua): in the tests' own processes, in
# those that they start with Lua, and inside nginx. The specs of other programs (make hosts) are not
# run here but for nginx's: they use nothing that these do not.
set -eu
cd "$(dirname "$0")/.."
build=$1
root=$PWD
hits=$root/$build/hits
log=$(mktemp)
trap 'rm -f "$log"' EXIT

find "$build" -name '*.gcda' -delete
mkdir -p "$build/bin" "$build/nginx/resty"
: >"$hits"
chmod 666 "$hits" # nginx's workers are somebody else

# nginx loads resty.core before anything else, along its module path. This one comes first there.
cat >"$build/nginx/resty/core.lua" <<END
assert(loadfile("$root/tools/coverage/hook.lua"))("$root", "$hits")
package.path = package.path:gsub("^[^;]*;", "")
package.loaded["resty.core"] = nil
return require("resty.core")
END
# For the sandbox's nginx, which goes by PATH: the real one, with that path in its configuration.
cat >"$build/bin/nginx" <<END
#!/bin/bash
if [ "\$1" = -p ]; then sed -i 's|lua_package_path "|&$root/$build/nginx/?.lua;|' "\$2/nginx.conf"; fi
exec '$(PATH=$PATH:/usr/sbin command -v nginx)' "\$@"
END
chmod +x "$build/bin/nginx"

export PATH=$root/$build/bin:$PATH
export GROOVE_COVERAGE=$hits GROOVE_COVERAGE_ROOT=$root GROOVE_COVERAGE_NGINX="$root/$build/nginx/?.lua;"
export LUA_INIT="@$root/tools/coverage/hook.lua"
# A process in a chroot, or without the right to write there, says so on standard error.
export GCOV_ERROR_FILE=/dev/null
export GROOVE_TEST_TIMEOUT=${GROOVE_TEST_TIMEOUT:-240}
passed=0
failed=0

# tests LUA: runs them, and adds up what came of it.
tests() {
    local good bad
    tools/test.sh "$build" "$1" | tee "$log" | sed '$d' || true
    read -r good _ bad _ < <(tail -n 1 "$log")
    passed=$((passed + good))
    failed=$((failed + bad))
}

GROOVE_TEST_MORE='spec/hosts/nginx_*_spec.lua' tests 5.4
SPEC='spec/source_spec.lua spec/token_spec.lua' tests jit # which has a way of its own to a token

unset LUA_INIT
lua5.4 tools/coverage/report.lua "$build" "$hits" | tee "$log" || true
good=$(grep -c '^ok' "$log") || true
echo "$((passed + good)) passed, $((failed + 3 - good)) failed"
[ "$failed" -eq 0 ] && [ "$good" -eq 3 ]
