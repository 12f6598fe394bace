#!/bin/bash
# Runs libFuzzer's harnesses (make fuzz), or those that are named. Ends with "N passed, N failed".
# usage: tools/fuzz.sh BUILD LUA SECONDS JOBS [NAME...]      JOBS: how many at once
# What they come upon is kept in BUILD/corpus/NAME, from which the next run begins; an input that ends a
# harness in BUILD/found, and what it said in BUILD/found/NAME.log.
set -u
cd "$(dirname "$0")/.." || exit 1
build=$1
lua=$2
seconds=$3
jobs=$4
shift 4
[ $# -gt 0 ] || set -- answer headers arguments pages sandbox
mkdir -p "$build/found"

# fuzz NAME: one line of what came of it.
fuzz() {
    local name=$1 program leaks=1 folder log=$build/found/$1.log inputs=() status figures
    program=$build/tests/fuzz/$name
    # A state's memory grows and shrinks as it likes; looking for leaks after each input takes all the time.
    [ -x "$program" ] || { program=$build/$lua/fuzz/$name && leaks=0; }
    mkdir -p "$build/corpus/$name"
    for folder in "$build/corpus/$name" "tests/fuzz/corpus/$name" "tests/fuzz/regressions/$name"; do
        [ ! -d "$folder" ] || inputs+=("$folder")
    done
    nice -n 10 "$program" "${inputs[@]}" -dict="tests/fuzz/$name.dict" -max_total_time="$seconds" \
        -detect_leaks="$leaks" -timeout=30 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$build/found/$name-" >"$log" 2>&1 </dev/null
    status=$?
    figures=$(grep -aoE 'cov: [0-9]+ ft: [0-9]+ corp: [0-9]+' "$log" | tail -n 1)
    figures="$(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions, $figures"
    if [ "$status" -eq 0 ]; then
        printf 'ok      %-10s %s\n' "$name" "$figures"
    else
        printf 'FAILED  %-10s %s\n%s\n' "$name" "$figures" "$(grep -av '^#' "$log" | tail -n 40)"
    fi
}
export -f fuzz
export build lua seconds

results=$(mktemp)
trap 'rm -f "$results"' EXIT
printf '%s\n' "$@" | xargs -P "$jobs" -I NAME bash -c 'fuzz NAME' | tee "$results"
passed=$(grep -c '^ok ' "$results")
failed=$(($# - passed))
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
