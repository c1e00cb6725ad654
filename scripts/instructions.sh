#!/bin/sh
# Counts the instructions of single operations: a number that other load does not change.
set -eu

usage() {
    cat <<'TEXT'
usage: scripts/instructions.sh [SCENARIO...]

Prints instructions per operation, counted by valgrind's callgrind on a release build. Each scenario
runs twice, with few and with many operations; the difference is divided by the difference of their
numbers, so that start and setting-up do not count. Without arguments: every scenario.

Valgrind has no SHA instructions, so SHA-256 falls back to software there: what that takes stands in
a column of its own and is not in the first. A processor that has them takes far fewer.

Counts of one build repeat to within a few parts in a thousand (hash seeds and addresses differ).
They say nothing about caches, branches or system calls: for time use
`cargo bench -p postrider-benches`.
TEXT
}

case "${1:-}" in
-h | --help)
    usage
    exit 0
    ;;
esac
if ! command -v valgrind >/dev/null; then
    echo "instructions.sh: skipped: valgrind is not installed (Debian: apt-get install valgrind)" >&2
    exit 0
fi

cd "$(dirname "$0")/.."
cargo build --quiet --release -p postrider-benches --bin count
count=${CARGO_TARGET_DIR:-target}/release/count
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# instructions SCENARIO TIMES: of the whole program, without and of software hashing.
instructions() {
    valgrind --tool=callgrind --callgrind-out-file="$work/out" "$count" "$1" "$2" 2>"$work/log" ||
        { cat "$work/log" >&2 && exit 2; }
    callgrind_annotate --auto=no --threshold=100 "$work/out" | awk '
        { gsub(",", "", $1) }
        /PROGRAM TOTALS/ { all = $1 }
        /sha2::sha256::soft/ { soft += $1 }
        END { printf "%.0f %.0f\n", all - soft, soft }'
}

for wanted in "$@"; do
    "$count" list | cut -f1 | grep -qx "$wanted" ||
        { echo "instructions.sh: no scenario $wanted; there are:" $("$count" list | cut -f1) >&2 && exit 2; }
done
printf '%12s  %10s  %s\n' instructions '+ SHA-256' operation
"$count" list >"$work/list"
while IFS="$(printf '\t')" read -r name step about; do
    case " ${*:-$name} " in *" $name "*) ;; *) continue ;; esac
    few=$((step * 10)) many=$((step * 10 + 3200))
    low=$(instructions "$name" "$few")
    high=$(instructions "$name" "$many")
    printf '%12d  %10d  %s: %s\n' $(((${high% *} - ${low% *}) / (many - few))) \
        $(((${high#* } - ${low#* }) / (many - few))) "$name" "$about"
done <"$work/list"
