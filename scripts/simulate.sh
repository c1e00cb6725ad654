#!/bin/sh
# Runs whole gateways under a virtual clock, one history for each seed.
set -eu

usage() {
    cat <<'TEXT'
usage: scripts/simulate.sh [FROM [TO]]
       scripts/simulate.sh --broken [FROM [TO]]

Runs the simulation over the seeds FROM to TO - 1 (default: 500 to 5000; `cargo test` covers 0 to
499). Each seed is one history: two shards, their disks, two ill-mannered carriers, a customer and
a webhook receiver under one virtual clock, killed at any moment and started again from what the
disks kept. Checked: nothing acknowledged is lost, every message ends exactly once and tells it,
texts arrive whole, no window or rate is exceeded, duplicates stay within their bound.

Prints the totals; or the first seed that breaks a promise, and how to replay it, with exit status 1.

--broken builds the gateway with the feature `acknowledge-before-sync`, which answers before the
disk has the record, and prints the seed that caught it. Exit status 1 when none did: then the
simulation is blind (default seeds: 0 to 500).
TEXT
}

fail() {
    echo "simulate.sh: $1" >&2
    exit 2
}

broken=no
case "${1:-}" in
-h | --help)
    usage
    exit 0
    ;;
--broken)
    broken=yes
    shift
    ;;
esac
[ $# -le 2 ] || fail "too many arguments; see --help"
if [ "$broken" = yes ]; then
    from=${1:-0} to=${2:-500}
else
    from=${1:-500} to=${2:-5000}
fi
for number in "$from" "$to"; do
    case "$number" in
    '' | *[!0-9]*) fail "FROM and TO are numbers; see --help" ;;
    esac
done
[ "$from" -lt "$to" ] || fail "FROM must be less than TO"

cd "$(dirname "$0")/.."
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# run FROM TO TEST [CARGO ARGUMENT]: one run of one test over these seeds; its output goes to $out.
run() {
    first=$1 last=$2 test=$3
    shift 3
    RUST_BACKTRACE=0 POSTRIDER_SEEDS="$first..$last" \
        cargo test --quiet -p postrider-shards --test simulation "$@" \
        -- --exact "$test" --nocapture >"$out" 2>&1
}

if [ "$broken" = yes ]; then
    test=a_build_that_acknowledges_before_the_sync_is_caught
    if run "$from" "$to" "$test" --features acknowledge-before-sync; then
        grep 'caught by seed' "$out" && exit 0
    elif ! grep -q 'seeds did not catch' "$out"; then
        cat "$out" >&2
        exit 2
    fi
    echo "NOT caught: seeds $from..$to let a build pass that acknowledges before the sync." >&2
    exit 1
fi

test=nothing_acknowledged_is_lost_and_every_message_ends_once
if run "$from" "$to" "$test"; then
    grep '^seeds' "$out" || { cat "$out" >&2 && exit 2; }
    exit 0
fi
grep -q 'panicked at' "$out" || { cat "$out" >&2 && exit 2; } # It did not build.

# Not every assertion names its seed: halve the range until one is left.
while [ $((to - from)) -gt 1 ]; do
    middle=$(((from + to) / 2))
    if run "$from" "$middle" "$test"; then from=$middle; else to=$middle; fi
done
if run "$from" "$to" "$test"; then
    echo "simulate.sh: a run failed and no single seed fails: the simulation is not deterministic" >&2
    exit 1
fi
grep -A3 'panicked at' "$out" >&2
echo "Seed $from breaks a promise. Replay it: scripts/simulate.sh $from $to" >&2
exit 1
