#!/bin/sh
# Our SMPP codec and session beside the codecs of others, in instructions and nanoseconds.
set -eu

usage() {
    cat <<'TEXT'
usage: scripts/codec-speed.sh

Encodes and decodes the same submit_sm and submit_sm_resp with our codec and with the crates rusmpp-core
(borrowed and owned) and smpp-codec, in one program built as the product is built (benches/peers, which has
its own lock file and needs the network once). All must write the same octets first. Prints instructions of
each step, counted by valgrind's callgrind as in instructions.sh, nanoseconds (the fastest of 15 runs), and
the sums. The last line is both ends of one bind, ours: codec, window, timers and states of two sessions.

The others have no session. They are given their fields as they want them (with NULs), and keep their buffers
from one message to the next.
TEXT
}

case "${1:-}" in
-h | --help)
    usage
    exit 0
    ;;
esac
if ! command -v valgrind >/dev/null; then
    echo "codec-speed.sh: skipped: valgrind is not installed (Debian: apt-get install valgrind)" >&2
    exit 0
fi

cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}/peers
CARGO_TARGET_DIR=$target cargo build --quiet --release --locked \
    --manifest-path benches/peers/Cargo.toml --bin codec
codec=$target/release/codec
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A string move counts once on a processor and once for each octet here: copy without it.
export GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=1000000000

# instructions NUMBER TIMES: of the whole program.
instructions() {
    valgrind --tool=callgrind --callgrind-out-file="$work/out" "$codec" run "$1" "$2" 2>"$work/log" ||
        { cat "$work/log" >&2 && exit 2; }
    awk '/refs:/ { gsub(",", "", $NF); print $NF }' "$work/log"
}

"$codec" time >"$work/time"
"$codec" list | while IFS="$(printf '\t')" read -r number name step; do
    low=$(instructions "$number" 640)
    high=$(instructions "$number" 3840)
    printf '%s\t%s\t%s\n' $(((high - low) / 3200)) "$name" "$step"
done >"$work/counts"

printf '%-24s %-26s %12s %10s\n' codec step instructions ns
paste "$work/counts" "$work/time" | awk -F '\t' '
    function sum() { if (steps > 1) printf "%-24s %-26s %12d %10.1f\n\n", last, "all four", count, ns }
    $2 != last || $3 ~ /sessions/ { sum(); count = ns = steps = 0; last = $2 }
    { printf "%-24s %-26s %12d %10.1f\n", $2, $3, $1, $4; count += $1; ns += $4; steps++ }
    $3 ~ /sessions/ { both = $1 }
    $3 !~ /sessions/ { sums[$2] += $1 }
    END {
        for (name in sums) if (name != "postrider-smpp" && (!best || sums[name] < best)) best = sums[name]
        printf "\nthe best of the others: %.1f times our codec, %.1f times our two sessions with it\n",
            best / sums["postrider-smpp"], best / both
    }'
