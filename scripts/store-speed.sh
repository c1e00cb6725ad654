#!/bin/bash
# The store beside fio, plain loops, fjall and SQLite: the same disk, the same run.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/store-speed.sh [--runs N] [--dir DIR] [commit] [append] [messages] [scan]

Measures our log and io_uring path (benches/stores, which has its own lock file and needs the network once) in
DIR/store-speed.tmp (default: target), N runs (default 7) of everything in turn, and prints medians with the least and
the most. Without words: all four parts. Needs about 5 GiB of disk for a while; a busy machine shows in the spread.

commit    batches of 64 KiB, each on the disk before the next: pwrite + fdatasync, the same with O_DIRECT, our log,
          32 batches of each in turn, in files that were written before; then fio, when it is installed. Exit
          status 1 when our log does not reach 80 % of the faster loop (median of the runs' ratios)
append    one shard's stream of events of 200 bytes, every one on the disk: natural batching, 1 MiB at most
messages  acceptance (160 characters), submission and end of the same messages through our log, fjall and SQLite
          (WAL, synchronous = FULL), groups of 1, 16, 64 and 256: each commit makes durable what happened to a group in
          each of the three states. fjall keeps our records under keys, SQLite rows of two tables without further
          indexes. bytes: what /proc/self/io says was sent to the disk, without fjall's and SQLite's later merging
scan      a log of 2 GiB opened again, read from the disk and from memory: every batch and record checked and read
TEXT
}

runs=7 dir= parts=
while [ $# -gt 0 ]; do
    case "$1" in
    -h | --help) usage && exit 0 ;;
    --runs | --dir)
        [ $# -ge 2 ] || { usage >&2 && exit 2; }
        declare "${1#--}=$2"
        shift
        ;;
    commit | append | messages | scan) parts="$parts $1" ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done

cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
CARGO_TARGET_DIR=$target/stores cargo build --quiet --release --locked --manifest-path benches/stores/Cargo.toml
stores=$target/stores/release/postrider-stores
work=${dir:-$target}/store-speed.tmp
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"

# wanted PART
wanted() { case " ${parts:-$1} " in *" $1 "*) true ;; *) false ;; esac; }

# summary FIELD FILE: median, least and most of a field.
summary() {
    awk -v field="$1" '{ print $field }' "$2" | sort -g | awk '
        { value[NR] = $1 }
        END {
            middle = NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2
            printf "%.6g (%.6g to %.6g)", middle, value[1], value[NR]
        }'
}

commit() {
    local run fio=-
    : >"$work/commit"
    for run in $(seq "$runs"); do
        "$stores" commit 1024 "$work/commit.dir" >"$work/line"
        if command -v fio >/dev/null; then
            dd if=/dev/zero of="$work/fio" bs=1M count=64 oflag=direct conv=fsync status=none
            fio=$(fio --name=commit --filename="$work/fio" --rw=write --bs=64k --size=64m --overwrite=1 \
                --direct=1 --fdatasync=1 --ioengine=psync --minimal | cut -d';' -f49)
        fi
        awk -v fio="$fio" '{
            best = $1 > $4 ? $1 : $4
            print $0, fio, $7 / best, (fio > 0 ? $7 / fio : "-")
        }' "$work/line" >>"$work/commit"
    done
    echo "64 KiB batches, each durable before the next: median of $runs runs (least to most)"
    printf '  %-28s %-28s %-24s %s\n' method batches/s "CPU us a batch" "time us a batch"
    local at=1 name
    for name in "pwrite + fdatasync" "the same with O_DIRECT" "our log"; do
        printf '  %-28s %-28s %-24s %s\n' "$name" "$(summary $at "$work/commit")" \
            "$(summary $((at + 1)) "$work/commit")" "$(summary $((at + 2)) "$work/commit")"
        at=$((at + 3))
    done
    [ "$fio" = - ] || printf '  %-28s %s\n' "fio, O_DIRECT + fdatasync" "$(summary 10 "$work/commit")"
    echo "  our log / the faster loop    $(summary 11 "$work/commit")"
    [ "$fio" = - ] || echo "  our log / fio                $(summary 12 "$work/commit")"
    summary 11 "$work/commit" | awk '$1 < 0.8 { print "  BAD: below 0.8"; exit 1 }'
}

append() {
    : >"$work/append"
    for _ in $(seq "$runs"); do "$stores" append 2000000 "$work/append.dir" >>"$work/append"; done
    echo "one shard's events of 200 bytes, each durable: median of $runs runs (least to most)"
    printf '  %-28s %s\n' events/s "$(summary 1 "$work/append")" \
        "CPU us an event" "$(summary 2 "$work/append")" "bytes an event" "$(summary 3 "$work/append")"
}

messages() {
    local group count engine
    echo "messages of 160 characters, three events each: median of $runs runs (least to most)"
    printf '  %-6s %-8s %-28s %-24s %-8s %s\n' group engine messages/s "CPU us a message" bytes "us a commit"
    for group in 1 16 64 256; do
        count=$((group * 1000))
        rm -f "$work/messages".*
        for _ in $(seq "$runs"); do
            for engine in log fjall sqlite; do
                "$stores" messages $engine "$group" "$count" "$work/$engine.dir" >>"$work/messages.$engine"
                rm -rf "$work/$engine.dir"
            done
        done
        for engine in log fjall sqlite; do
            printf '  %-6s %-8s %-28s %-24s %-8s %s\n' "$group" "$engine" "$(summary 1 "$work/messages.$engine")" \
                "$(summary 2 "$work/messages.$engine")" "$(summary 3 "$work/messages.$engine" | cut -d' ' -f1)" \
                "$(summary 4 "$work/messages.$engine" | cut -d' ' -f1)"
        done
    done
}

scan() {
    "$stores" messages log 1024 4505600 "$work/scan.dir" >/dev/null
    : >"$work/scan"
    for _ in 1 2 3; do "$stores" scan "$work/scan.dir" >>"$work/scan"; done
    rm -rf "$work/scan.dir"
    echo "a log opened again: median of 3 runs (least to most)"
    printf '  %-28s %s\n' records "$(summary 1 "$work/scan" | cut -d' ' -f1)" \
        MiB "$(summary 2 "$work/scan" | cut -d' ' -f1)" \
        "from the disk, records/s" "$(summary 3 "$work/scan")" "from the disk, MiB/s" "$(summary 4 "$work/scan")" \
        "from memory, records/s" "$(summary 5 "$work/scan")" "from memory, MiB/s" "$(summary 6 "$work/scan")"
}

echo "$(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), Linux $(uname -r)," \
    "$(stat -f -c %T "$work"), load $(cut -d' ' -f1 /proc/loadavg)"
verdict=0
if wanted commit; then commit || verdict=1; fi
if wanted append; then append; fi
if wanted messages; then messages; fi
if wanted scan; then scan; fi
exit $verdict
