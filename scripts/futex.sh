#!/bin/bash
# Counts futex calls by thread while messages flow: no lock crosses cores.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/futex.sh [--rate N] [--seconds N] [--shards N] [--keep FILE]

Runs `postrider demo` (release build) at N messages a second (default 5000), attaches strace to the
gateway's process for N seconds of steady load (default 10), and prints how many futex calls each
thread made and whom they were shared with. With two shards about half of the messages cross from the shard
that accepted them to the owner of their number and back, so a lock or condition variable between
shards would show as futex calls on one address by both.

A futex call of a shard is
  its own lanes    when only that shard and its helper threads (log segments, names) use the address:
                   a segment is handed over about once in 16 MiB of log, never for a message
  between shards   when two shards use the address: there must be none
  with others      when the address is shared with another thread (control): there must be none
  alone            when no other thread used the address in that time: there must be none

Exit status 1 when a shard made a call of the last three kinds, or the demo lost a message.
--keep FILE keeps strace's output. Needs strace (Debian: apt-get install strace) and the right to
trace: root, or `sysctl kernel.yama.ptrace_scope=0`.
TEXT
}

rate=5000 seconds=10 shards= keep=
while [ $# -gt 0 ]; do
    case "$1" in
    -h | --help) usage && exit 0 ;;
    --rate | --seconds | --shards | --keep)
        [ $# -ge 2 ] || { usage >&2 && exit 2; }
        declare "${1#--}=$2"
        shift 2
        ;;
    *) usage >&2 && exit 2 ;;
    esac
done
if ! command -v strace >/dev/null; then
    echo "futex.sh: skipped: strace is not installed (Debian: apt-get install strace)" >&2
    exit 0
fi

cd "$(dirname "$0")/.."
cargo build --quiet --release -p postrider-shards
postrider=${CARGO_TARGET_DIR:-target}/release/postrider
work=$(mktemp -d)
demo=
finish() {
    if [ -n "$demo" ]; then kill "$demo" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap finish EXIT

# Load before, during and after the trace.
"$postrider" demo --json --rate "$rate" --messages $((rate * (seconds + 8))) \
    ${shards:+--shards "$shards"} >"$work/demo.json" 2>"$work/demo.log" &
demo=$!
sleep 4
if ! kill -0 "$demo" 2>/dev/null; then
    cat "$work/demo.log" >&2
    demo=
    exit 2
fi
timeout -s INT "$seconds" strace -f -e trace=futex -o "$work/trace" -p "$demo" \
    2>"$work/strace.log" || true
if ! [ -s "$work/trace" ] && ! grep -q attached "$work/strace.log"; then
    cat "$work/strace.log" >&2
    exit 2
fi
for task in "/proc/$demo/task/"*; do
    echo "${task##*/} $(cat "$task/comm")"
done >"$work/threads"
sound=0
wait "$demo" || sound=1
demo=
[ -z "$keep" ] || cp "$work/trace" "$keep"

echo "futex calls in $seconds s at $rate messages a second:"
verdict=0
sort -n "$work/threads" | awk '
    # Threads that carry the name of an older one are its helpers: a shard starts its lanes.
    FNR == NR {
        name[$1] = $2
        if ($2 in oldest) role[$1] = $2 " lane"; else { oldest[$2] = $1; role[$1] = $2 }
        order[++threads] = $1
        next
    }
    # "TID futex(ADDRESS, OPERATION, ..."; resumed lines are the ends of calls counted before.
    match($0, /futex\(0x[0-9a-f]+/) {
        address = substr($0, RSTART + 6, RLENGTH - 6)
        calls[$1]++
        if (!($1 in name)) { name[$1] = "gone"; role[$1] = "gone"; order[++threads] = $1 }
        used[address, $1]++
        users[address] = users[address] " " $1
    }
    function kind(address, own,    list, n, i, others, shards) {
        n = split(users[address], list, " ")
        others = "alone"
        for (i = 1; i <= n; i++) {
            if (list[i] == own) continue
            if (name[list[i]] == name[own]) { if (others == "alone") others = "lanes" }
            else if (name[list[i]] ~ /^shard-/) return "shards"
            else others = "others"
        }
        return others
    }
    END {
        printf "  %-8s %-16s %8s %10s %15s %12s %6s\n", "thread", "name", "calls", \
            "own lanes", "between shards", "with others", "alone"
        for (i = 1; i <= threads; i++) {
            own = order[i]
            split("", count)
            for (key in used) {
                split(key, part, SUBSEP)
                if (part[2] == own) count[kind(part[1], own)] += used[key]
            }
            printf "  %-8s %-16s %8d %10d %15d %12d %6d\n", own, role[own], calls[own], \
                count["lanes"], count["shards"], count["others"], count["alone"]
            if (role[own] ~ /^shard-[0-9]+$/) bad += count["shards"] + count["others"] + count["alone"]
        }
        if (bad) { print "BAD: " bad " futex calls of shards that are not about their own lanes."; exit 1 }
        print "No futex call of a shard but to hand work to its own helper threads."
    }' - "$work/trace" || verdict=1

if [ "$sound" != 0 ]; then
    echo "The demo did not account for every message:" >&2
    cat "$work/demo.json" "$work/demo.log" >&2
    verdict=1
fi
exit "$verdict"
