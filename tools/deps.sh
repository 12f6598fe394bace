#!/bin/sh
# Installs the Debian or Ubuntu packages that are missing for one purpose.
# usage: tools/deps.sh base|lint|bench      base: make, make demo, make test
# Says what it will run, asks when standard input is a terminal, removes nothing, and leaves no
# service running. On a system it does not know it says what is needed, and fails if that is missing.
set -eu

case ${1:-base} in
    base)
        packages="gcc libc6-dev make pkg-config lua5.4 liblua5.4-dev libcurl4-openssl-dev
            libjansson-dev libcmocka-dev lua-cjson lua-busted nginx libnginx-mod-http-lua openssl
            ca-certificates"
        programs="cc make pkg-config lua5.4 nginx openssl"
        what="a C11 compiler, GNU make, pkg-config; Lua 5.4, libcurl, jansson and cmocka with headers;
lua-cjson and busted for Lua 5.4; nginx with its Lua module; openssl" ;;
    lint)
        packages="clang clang-format clang-tidy cppcheck lua-check luarocks"
        programs="clang clang-format clang-tidy cppcheck luacheck"
        what="clang, clang-format and clang-tidy (14), cppcheck, luacheck; luarocks is optional" ;;
    bench)
        packages="golang-go golang-golang-x-oauth2-dev curl"
        programs="curl"
        what="curl; for the comparison with Go: go and its package golang.org/x/oauth2" ;;
    *)
        echo "usage: $0 base|lint|bench" >&2
        exit 2 ;;
esac

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
