#!/bin/bash
# Runs the soak with the I/O thread and without, side by side, and adds up.
# usage: tests/soak/run.sh INTERPRETER SECONDS SEED      with LUA_PATH and LUA_CPATH set (make soak)
set -u -o pipefail
cd "$(dirname "$0")/../.." || exit 1
interpreter=$1
seconds=$2
seed=$3
# What malloc keeps for later would look like growth: larger blocks shall go back to the system at once.
export MALLOC_MMAP_THRESHOLD_=16384 MALLOC_TRIM_THRESHOLD_=65536

declare -A process=()
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

for mode in thread threadless; do
    # What it says on the way is seen on the way; 120 s are for starting, settling and a busy machine.
    timeout -k 10 $((${seconds%.*} + 120)) "$interpreter" tests/soak/soak.lua \
        "$mode" "$seconds" "$seed" 2>&1 | tee "$folder/$mode" &
    process[$mode]=$!
done
crashed=
for mode in thread threadless; do
    wait "${process[$mode]}" || crashed="$crashed $mode"
done

passed=$(cat "$folder"/* | grep -c '^ok\b')
failed=$(cat "$folder"/* | grep -c '^not ok\b')
if [ -n "$crashed" ] && [ "$failed" -eq 0 ]; then
    echo "FAILED  after its tests:$crashed"
    failed=1
fi
for mode in thread threadless; do
    if ! grep -q '^1\.\.' "$folder/$mode"; then
        echo "FAILED  $mode: ended early, or took too long"
        failed=$((failed + 1))
    fi
done
if grep -qF 'a secret of the soak' "$folder"/*; then
    echo "FAILED  the secret was shown"
    failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
