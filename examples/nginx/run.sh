#!/bin/sh
# Starts a sandbox and nginx with nginx.conf against it, says what to try, and ends both with Ctrl-C.
# usage: examples/nginx/run.sh      PORT=8080 TLS_PORT=8443: other ports than these
# Needs what "make deps" installs; builds groove for nginx's LuaJIT and for Lua 5.4 if need be.
set -eu
cd "$(dirname "$0")/../.."

port=${PORT:-8080}
tls_port=${TLS_PORT:-8443}
folder=$(mktemp -d)
sandbox=
server=

finish() {
    trap - EXIT
    trap '' INT TERM HUP # a second Ctrl-C changes nothing
    for pid in $server $sandbox; do
        kill "$pid" 2>/dev/null || true
    done
    wait
    rm -rf "$folder"
    exit "$1"
}
fail() {
    echo "$1" >&2
    cat "$folder/sandbox" "$folder/output" "$folder/error.log" >&2 2>/dev/null || true
    finish 1
}
trap 'finish $?' EXIT
trap 'finish 0' INT TERM HUP

# wait_for PID COMMAND...: until the command succeeds, as long as the process is there.
wait_for() {
    pid=$1
    shift
    while ! "$@"; do
        kill -0 "$pid" 2>/dev/null || return 1
        sleep 0.05
    done
}

make -s LUA=5.4 all
make -s LUA=jit all

# In a subshell: nginx is to have the search path of its own Lua. Sockets that somebody has handed
# over (3 and 4, the variable NGINX) are nginx's alone.
(
    eval "$(make -s env LUA=5.4)"
    exec lua5.4 examples/sandbox.lua
) >"$folder/sandbox" 2>&1 3<&- 4<&- &
sandbox=$!
wait_for "$sandbox" grep -qs '^export GROOVE_CLIENT_SECRET=.*' "$folder/sandbox" ||
    fail "The sandbox has not started:"
eval "$(grep '^export' "$folder/sandbox")"
eval "$(make -s env LUA=jit)"

# The secret goes into a file that this user alone can read, and nowhere else.
(umask 077 && printf '%s\n' "$GROOVE_CLIENT_SECRET" >"$folder/secret")
unset GROOVE_CLIENT_SECRET
rm "$folder/sandbox"
export GROOVE_CLIENT_SECRET_FILE="$folder/secret" GROOVE_SCOPE=app.music.xboxlive.com

# A key for one client, and a certificate that it has to be told to trust.
key=$(openssl rand -hex 16)
(umask 077 && printf '%s game;\n' "$key" >"$folder/clients.map")
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
    -addext 'subjectAltName = DNS:localhost, IP:127.0.0.1' \
    -keyout "$folder/server.key" -out "$folder/server.pem" 2>"$folder/output" ||
    fail "openssl (version 3 or later is needed) has made no certificate:"
sed -e "s/127\.0\.0\.1:8080/127.0.0.1:$port/; s/127\.0\.0\.1:8443/127.0.0.1:$tls_port/" \
    -e "s/127\.0\.0\.1:9000/${GROOVE_API_URL#http://}/" examples/nginx/nginx.conf >"$folder/nginx.conf"
chmod 755 "$folder" # nginx's workers may be another user

PATH=$PATH:/usr/sbin
nginx -p "$folder/" -c "$folder/nginx.conf" -e "$folder/error.log" -g 'daemon off;' \
    >"$folder/output" 2>&1 &
server=$!
wait_for "$server" test -s "$folder/nginx.pid" || fail "nginx has not started:"

cat <<END
nginx is up, with a sandbox behind it; Ctrl-C ends both. Its folder: $folder

  the status page   http://127.0.0.1:$port/groove/status

In another shell, in this folder:

# the API, with a token that nginx adds
curl 'http://127.0.0.1:$port/1/content/music/search?q=love&maxItems=1'
# numbers for Prometheus
curl http://127.0.0.1:$port/groove/metrics
# the current token, for a client that has a key, but not the secret
curl --cacert $folder/server.pem -H 'X-Client-Key: $key' -d grant_type=client_credentials https://localhost:$tls_port/token

# the same in a script, and in a game (LOVE)
export BROKER_URL=https://localhost:$tls_port/token BROKER_KEY=$key BROKER_CA=$folder/server.pem
export API_URL=$GROOVE_API_URL
(eval "\$(make -s env LUA=5.4)" && lua5.4 examples/nginx/client.lua)
(eval "\$(make -s env LUA=jit)" && love examples/nginx/love)
END

wait "$server" || true
fail "nginx has ended:"
