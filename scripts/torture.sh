#!/bin/bash
# Kills the real program over and over under load, and measures its start with a backlog.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/torture.sh [KILLS]

Sends 5,000 messages a second to the gateway (release build, two shards, three simulated carriers, a webhook
sink) and kills it with SIGKILL at random moments, KILLS times (default 1000), every third time also while it
recovers. After every 100 kills all messages are accounted for, and a new gateway begins on an empty directory.
At the end a million messages (POSTRIDER_PENDING) gather while the carriers stand still, the gateway is killed,
and the time from its start to its first submit is measured; 2 s are aimed at, beyond 6 s it fails.

Prints a row for each 100 kills, the backlog's figures, and a verdict. Exit status 1 when a message was lost or
invented, or more were repeated than was in flight. POSTRIDER_SEED chooses the first seed (default 1). About
two minutes for 100 kills; nothing is kept and nothing resumed.
TEXT
}

case "${1:-}" in
-h | --help)
    usage
    exit 0
    ;;
esac
kills=${1:-1000} seed=${POSTRIDER_SEED:-1} pending=${POSTRIDER_PENDING:-1000000}
case "$kills$#" in
*[!0-9]* | *[2-9]) echo "torture.sh: KILLS is a number; see --help" >&2 && exit 2 ;;
esac

cd "$(dirname "$0")/.."
out=$(mktemp)
trap 'rm -f "$out"' EXIT
export RUST_BACKTRACE=0
cargo test --quiet --release -p postrider-shards --test kill --test pending --no-run

# run TEST: its output goes to $out.
run() {
    cargo test --quiet --release -p postrider-shards --test "$1" -- --nocapture >"$out" 2>&1
}

# said LABEL: what the test said behind the label.
said() { sed -n "s/^$1  *//p" "$out" | head -1; }

verdict=sound total=0
printf '%6s %6s %9s %7s %5s %7s %-24s %s\n' \
    seed kills accepted a-second lost ghosts duplicates 'restart to ready'
while [ "$kills" -gt 0 ]; do
    round=$((kills < 100 ? kills : 100))
    result=
    POSTRIDER_KILLS=$round POSTRIDER_SEED=$seed run kill || result=' FAILED' verdict=broken
    accepted=$(said 'messages accepted')
    printf '%6s %6s %9s %8s %5s %7s %-24s %s%s\n' "$seed" "$(said kills)" "${accepted%% *}" \
        "$(said 'a second while up')" "$(said lost)" "$(said ghosts)" "$(said duplicates)" \
        "$(said 'restart to ready')" "$result"
    [ -z "$result" ] || grep -A5 'panicked at' "$out" >&2 || cat "$out" >&2
    total=$((total + round)) kills=$((kills - round)) seed=$((seed + 1))
done

echo
export POSTRIDER_PENDING=$pending
run pending || verdict=broken
grep -E '^(messages pending|memory|start to|drained)' "$out" || true
[ "$verdict" = sound ] || grep -A5 'panicked at' "$out" >&2 || true
echo
echo "$total kills under load: $verdict"
[ "$verdict" = sound ]
