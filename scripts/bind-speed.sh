#!/bin/sh
# submit_sm a second on one bind: our session and runtime beside the client library rusmppc.
set -eu

usage() {
    cat <<'TEXT'
usage: scripts/bind-speed.sh [MESSAGES [WINDOW [RUNS]]]

Starts `postrider smsc` without receipts on loopback, and submits MESSAGES (default 500000) on one bind with
a window of WINDOW (default 100), RUNS times (default 3) in turn: with our session on the runtime of a shard
(benches/src/bin/bind.rs), and with rusmppc on one thread of tokio (benches/peers, which needs the network
once). Each is a process of its own. Prints submit_sm a second, processor time of the submitting process a
message, and the ratios of each run. Both share the machine with the simulated carrier.
TEXT
}

case "${1:-}" in
-h | --help)
    usage
    exit 0
    ;;
esac
messages=${1:-500000} window=${2:-100} runs=${3:-3}

cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
cargo build --quiet --release -p postrider-shards --bin postrider -p postrider-benches --bin bind
CARGO_TARGET_DIR=$target/peers cargo build --quiet --release --locked \
    --manifest-path benches/peers/Cargo.toml --bin bind_rusmppc

address=127.0.0.1:${BIND_SPEED_PORT:-27750}
"$target/release/postrider" smsc --listen "$address" </dev/null >/dev/null &
carrier=$!
trap 'kill "$carrier"' EXIT
sleep 1

printf '%4s %14s %10s %14s %10s %8s %8s\n' run 'ours, sm/s' 'us each' 'rusmppc, sm/s' 'us each' faster 'less CPU'
for run in $(seq "$runs"); do
    ours=$("$target/release/bind" "$address" "$messages" "$window")
    theirs=$("$target/peers/release/bind_rusmppc" "$address" "$messages" "$window")
    echo "$run $ours $theirs" | awk '{
        printf "%4d %14d %10.2f %14d %10.2f %7.1fx %7.1fx\n", $1, $2, $4, $9, $11, $2 / $9, $11 / $4
    }'
done
