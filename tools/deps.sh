#!/bin/sh
# Installs the Debian or Ubuntu packages that are missing for some purposes.
# usage: tools/deps.sh GROUP...     LUA=5.4|5.3|5.2|5.1|jit: which Lua "base" is to have
#     base    make, make demo          test     make test, with all of LUAS, or every Lua
#     hosts   make hosts               lint     make lint               bench    make bench
#     docs    make docs                fuzz     make fuzz               peers    make bench-peers
#     valgrind  make valgrind
# Says what it will run, asks when standard input is a terminal, removes nothing, and leaves no
# service running. On a system it does not know it says what is needed, and fails if that is missing.
set -eu

packages=
programs=
what=
need() { # PACKAGES PROGRAMS WORDS
    packages="$packages $1"
    programs="$programs $2"
    what="$what${what:+
}$3"
}
lua_packages() {
    case $1 in
        jit) echo luajit2 libluajit2-5.1-dev ;;
        5.1) echo lua5.1 liblua5.1-0-dev ;;
        *) echo "lua$1" "liblua$1-dev" ;;
    esac
}
lua_program() {
    [ "$1" = jit ] && echo luajit || echo "lua$1"
}

every_lua=${LUAS:-5.1 5.2 5.3 5.4 jit}
[ $# -gt 0 ] || set -- base
for group; do
    case $group in
        base)
            need "gcc libc6-dev make pkg-config $(lua_packages "${LUA:-5.4}") libcurl4-openssl-dev
                libjansson-dev lua-cjson nginx libnginx-mod-http-lua openssl ca-certificates" \
                "cc make pkg-config $(lua_program "${LUA:-5.4}") nginx openssl" \
                "a C11 compiler, GNU make, pkg-config; Lua, libcurl and jansson with headers; lua-cjson;
nginx with its Lua module; openssl" ;;
        test)
            need "libcmocka-dev libssl-dev lua-busted $(for lua in $every_lua; do lua_packages $lua; done)" \
                "$(for lua in $every_lua; do lua_program $lua; done)" \
                "cmocka, OpenSSL; busted and lua-cjson for Lua 5.1 to 5.4; all of these and LuaJIT, with headers" ;;
        hosts)
            need "love mpv neovim haproxy lua-cqueues lua-luv wrk strace curl chromium" \
                "love mpv nvim haproxy wrk strace curl chromium" \
                "LOVE 11, mpv, Neovim, HAProxy with Lua 5.3; cqueues and luv for Lua 5.4; wrk, strace,
curl, Chromium" ;;
        lint)
            need "clang clang-format clang-tidy cppcheck lua-check luarocks" \
                "clang clang-format clang-tidy cppcheck luacheck" \
                "clang, clang-format and clang-tidy (14), cppcheck, luacheck; luarocks is optional" ;;
        fuzz)
            need "clang libclang-rt-dev" \
                "clang" \
                "clang with its run-time libraries, libFuzzer among them (14)" ;;
        bench)
            need "golang-go golang-golang-x-oauth2-dev curl wrk" \
                "curl wrk" \
                "curl, wrk; for the comparison with Go: go and its package golang.org/x/oauth2" ;;
        peers)
            need "golang-go golang-golang-x-oauth2-dev python3-requests-oauthlib python3-google-auth python3-msal
                lua-socket lua-sec lua-curl lua5.1 curl" \
                "curl" \
                "what is to be compared: go with golang.org/x/oauth2; requests-oauthlib, google-auth and msal for
/usr/bin/python3; LuaSocket, LuaSec and lua-curl; npm. What is missing is left out" ;;
        valgrind)
            need "valgrind libc6-dbg" \
                "valgrind" \
                "valgrind 3.19" ;;
        docs)
            need "lua-ldoc lua-discount" \
                "ldoc" \
                "LDoc 1.4, and discount for its Lua" ;;
        *)
            echo "usage: $0 base|test|hosts|lint|fuzz|valgrind|bench|peers|docs ..." >&2
            exit 2 ;;
    esac
done

if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-query >/dev/null 2>&1; then
    missing=
    for program in $programs; do
        command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
    done
    [ -n "$missing" ] || exit 0
    printf 'This is not Debian or Ubuntu, so nothing is installed. Needed:\n%s.\nNot found:%s\n' \
        "$what" "$missing" >&2
    exit 1
fi

installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' $packages 2>/dev/null || true)
missing=
for package in $packages; do
    case " $missing " in
        *" $package "*) continue ;; # several groups want it
    esac
    case "
$installed
" in
        *"
ii $package
"*) ;;
        *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

sudo=
[ "$(id -u)" -eq 0 ] || sudo="sudo "
install="${sudo}env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends --no-remove$missing"
echo "Missing packages:$missing"
echo "Command: $install"
if [ -n "$sudo" ] && ! command -v sudo >/dev/null 2>&1; then
    echo "There is no sudo here: run that command as root." >&2
    exit 1
fi
if [ -t 0 ]; then
    printf 'Run it? [Y/n] '
    read -r answer
    case $answer in
        '' | [yY]*) ;;
        *) exit 1 ;;
    esac
fi

# The nginx package starts a service as it is installed; policy-rc.d is how Debian is asked not to.
# One that is there already is somebody's decision, and stays.
policy=${GROOVE_POLICY_RC_D:-/usr/sbin/policy-rc.d} # elsewhere in the tests
if [ -e "$policy" ]; then
    echo "$policy exists and stays as it is: it decides whether a package may start a service."
else
    trap '${sudo}rm -f "$policy"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    printf '#!/bin/sh\nexit 101\n' | ${sudo}tee "$policy" >/dev/null
    ${sudo}chmod 755 "$policy"
fi

fetch_lists() {
    echo "Command: ${sudo}apt-get update"
    ${sudo}apt-get update || echo "That failed; the lists that are here have to do." >&2
}
apt_install() {
    $install </dev/null || return
    case " $missing " in
        *" nginx "*) echo "nginx's own service was not started; \"systemctl disable nginx\" keeps it so at boot." ;;
    esac
}

if ! apt-cache show "${missing##* }" >/dev/null 2>&1; then
    fetch_lists
fi
apt_install && exit 0
fetch_lists
apt_install && exit 0
cat >&2 <<'END'
The packages could not be installed, and nothing was removed. If apt speaks of luajit above: nginx's Lua
module brings OpenResty's build of LuaJIT, which cannot stand beside the plain "luajit" package. Whether
that one goes is your decision: apt-get remove luajit
END
exit 1
