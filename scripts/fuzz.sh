#!/bin/sh
# Looks for inputs that break the pure crates, with cargo-fuzz.
set -eu

usage() {
    cat <<'TEXT'
usage: scripts/fuzz.sh [SECONDS [TARGET...]]
       scripts/fuzz.sh --keep [TARGET...]

Runs each target (default: every one in fuzz/fuzz_targets) for SECONDS (default 60), from the inputs
in fuzz/corpus, and prints how often it ran. What it meets on the way stays in fuzz/target/corpus; an
input that breaks something is written to fuzz/artifacts, with exit status 1.

--keep makes the smallest set of inputs that covers what fuzz/corpus and fuzz/target/corpus cover
together the new fuzz/corpus. `cargo test` replays it.

Needs a C++ compiler; installs cargo-fuzz when it is not there. The stable toolchain will do.
TEXT
}

fail() {
    echo "fuzz.sh: $1" >&2
    exit 2
}

keep=no seconds=60
case "${1:-}" in
-h | --help)
    usage
    exit 0
    ;;
--keep)
    keep=yes
    shift
    ;;
'') ;;
*[!0-9]*) fail "SECONDS is a number; see --help" ;;
*)
    seconds=$1
    shift
    ;;
esac

cd "$(dirname "$0")/.."
command -v c++ >/dev/null || fail "a C++ compiler is needed for libFuzzer"
cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
# libFuzzer wants compiler options that are not stable.
export RUSTC_BOOTSTRAP=1

[ $# -gt 0 ] || set -- $(ls fuzz/fuzz_targets | sed 's/\.rs$//')

# fuzz TARGET ARGUMENT..: the crates have no unsafe code to sanitize.
fuzz() {
    target=$1
    shift
    cargo fuzz run --sanitizer none "$target" "$@"
}

status=0
for name in "$@"; do
    [ -f "fuzz/fuzz_targets/$name.rs" ] || fail "no target $name"
    met=fuzz/target/corpus/$name kept=fuzz/corpus/$name
    mkdir -p "$met"
    log=$(mktemp)
    if [ "$keep" = yes ]; then
        fresh=$(mktemp -d)
        fuzz "$name" "$fresh" "$kept" "$met" -- -merge=1 -use_counters=0 >"$log" 2>&1 || {
            cat "$log" >&2
            exit 1
        }
        rm -rf "$kept"
        mv "$fresh" "$kept"
        chmod 755 "$kept"
        echo "$name: $(find "$kept" -type f | wc -l) inputs"
    elif fuzz "$name" "$met" "$kept" -- -max_total_time="$seconds" -max_len=1024 \
        -timeout=10 -print_final_stats=1 >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "$name: ran $runs times, nothing broke"
    else
        grep -A6 'panicked at\|ERROR:\|^error' "$log" >&2 || cat "$log" >&2
        grep -o 'fuzz/artifacts/[a-z0-9]*/[a-z]*-[0-9a-f]*' "$log" | sort -u >&2
        echo "$name: broken" >&2
        status=1
    fi
    rm -f "$log"
done
exit $status
