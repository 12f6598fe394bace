#!/bin/sh
# The curl command under the measures of bench/peers.lua: a process for each request.
ask() {
    curl -sS -d grant_type=client_credentials -d client_id=bench -d client_secret=bench \
        "$BENCH_TOKEN_URL"
}
say() { echo "{\"measure\":\"$1\",\"value\":$2}"; }
now() { date +%s%N; }

case $1 in
    first) ask >/dev/null ;;
    calls)
        token=$(ask | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
        began=$(now)
        i=0
        while [ $i -lt "$2" ]; do
            curl -sS --compressed -H "Authorization: Bearer $token" "$BENCH_API_URL" >/dev/null || exit 1
            i=$((i + 1))
        done
        say calls $((($(now) - began) / 1000 / $2)) ;;
    together)
        i=0
        while [ $i -lt 64 ]; do
            ask >/dev/null &
            i=$((i + 1))
        done
        wait
        say served 64 ;;
esac
