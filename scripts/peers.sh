#!/usr/bin/env bash
# Fetches the SMPP programs of others that the tests talk to. Nothing is installed on the machine.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/peers.sh

Puts the SMPP programs of others, against which shards/tests/peers_*.rs run Postrider, into one
folder: POSTRIDER_PEERS, or peers/ in the target folder. What is there already stays. Prints a line
for each; exit status 1 when one could not be had.

  node-smpp       npm package smpp, as client and server (needs node and npm)
  smpplib         PyPI, a client (needs python3 with venv, 3.11 or later)
  aiosmpplib      PyPI, a client
  rusmppc         crate, a client: built from shards/tests/peers/rusmppc
  kannel          Debian: bearerbox and smsbox as a client, drive_smpp as a server
  tshark          Debian: Wireshark's dissector

Debian's packages are taken from the system where they are installed; otherwise they are downloaded
with the libraries that they miss and unpacked into the folder, which needs no root. So no daemon is
started and no service set up.

Without it `cargo test` says which tests it left out; with CI set in the environment they fail.
TEXT
}

case "${1:-}" in
"") ;;
-h | --help) usage && exit 0 ;;
*) usage >&2 && exit 2 ;;
esac

npm_pins=(smpp@0.6.0-rc.4 iconv-lite@0.7.3 safer-buffer@2.1.2 findhit-proxywrap@0.3.13 lodash@4.18.1)
pip_pins=(smpplib==2.2.4 aiosmpplib==0.7.4 six==1.17.0)

cd "$(dirname "$0")/.."
peers=${POSTRIDER_PEERS:-${CARGO_TARGET_DIR:-target}/peers}
mkdir -p "$peers/bin"
peers=$(cd "$peers" && pwd)
log=$peers/log
: >"$log"
missing=0

have() { printf '%-11s %s\n' "$1" "$2"; }
lacks() {
    missing=1
    printf '%-11s ABSENT: %s (see %s)\n' "$1" "$2" "$log"
}

# wrap NAME LINE...: a program in bin/ that becomes the last line's.
wrap() {
    local name=$1
    shift
    { echo '#!/bin/sh' && printf '%s\n' "$@"; } >"$peers/bin/$name.new"
    chmod +x "$peers/bin/$name.new"
    mv "$peers/bin/$name.new" "$peers/bin/$name"
}

# current FILE WORD...: whether FILE holds just these words, as a sign of what is installed.
current() {
    local file=$1
    shift
    [ -f "$file" ] && [ "$(cat "$file")" = "$*" ]
}

node_smpp() {
    local sign=$peers/node/pins
    command -v npm >/dev/null || { lacks node-smpp "npm is not installed" && return; }
    if ! current "$sign" "${npm_pins[@]}"; then
        mkdir -p "$peers/node"
        npm install --prefix "$peers/node" --no-audit --no-fund --no-save --ignore-scripts \
            "${npm_pins[@]}" >>"$log" 2>&1 || { lacks node-smpp "npm install failed" && return; }
        echo "${npm_pins[@]}" >"$sign"
    fi
    wrap node-smpp "NODE_PATH='$peers/node/node_modules' exec '$(command -v node)' \"\$@\""
    have node-smpp "${npm_pins[0]} on node $(node --version)"
}

python_clients() {
    local sign=$peers/python/pins python=$peers/python/bin/python3
    command -v python3 >/dev/null || { lacks python "python3 is not installed" && return; }
    if ! current "$sign" "${pip_pins[@]}"; then
        rm -rf "$peers/python"
        python3 -m venv "$peers/python" >>"$log" 2>&1 ||
            { lacks python "python3 -m venv failed" && return; }
        "$python" -m pip install --quiet --disable-pip-version-check --no-deps "${pip_pins[@]}" \
            >>"$log" 2>&1 || { lacks python "pip install failed" && return; }
        echo "${pip_pins[@]}" >"$sign"
    fi
    wrap python-smpp "exec '$python' \"\$@\""
    have smpplib "${pip_pins[0]} on $("$python" --version)"
    have aiosmpplib "${pip_pins[1]}"
}

rusmppc() {
    local source=shards/tests/peers/rusmppc
    # A folder of its own: cargo's lock on the workspace's may be held by who runs this.
    if CARGO_TARGET_DIR=$peers/rusmppc cargo build --quiet --locked \
        --manifest-path "$source/Cargo.toml" >>"$log" 2>&1; then
        wrap rusmppc "exec '$peers/rusmppc/debug/rusmppc-client' \"\$@\""
        have rusmppc "$(sed -n '/^name = "rusmppc"/{n;s/version = "\(.*\)"/\1/p}' "$source/Cargo.lock")"
    else
        lacks rusmppc "cargo build failed"
    fi
}

# unpack PACKAGE...: downloads what the system lacks of the packages and their dependencies.
unpack() {
    local root=$peers/debian list
    command -v apt-get >/dev/null || return 1
    if ! apt-get -s install --no-install-recommends "$@" >/dev/null 2>>"$log"; then
        local sudo=
        [ "$(id -u)" = 0 ] || sudo="sudo -n"
        $sudo apt-get update -qq >>"$log" 2>&1 || return 1
    fi
    list=$(apt-get -s install --no-install-recommends "$@" 2>>"$log" |
        awk '$1 == "Inst" { gsub(/[(]/, "", $3); if ($3 ~ /^\[/) $3 = substr($4, 2); print $2 "=" $3 }')
    [ -n "$list" ] || return 1
    mkdir -p "$root" "$peers/debs"
    # shellcheck disable=SC2086 # one package a word
    (cd "$peers/debs" && apt-get download -qq $list) >>"$log" 2>&1 || return 1
    local deb
    for deb in "$peers"/debs/*.deb; do
        dpkg -x "$deb" "$root" >>"$log" 2>&1 || return 1
    done
    rm -rf "$peers/debs"
}

# debian_program NAME PATH: wraps the system's program, or the unpacked one with its libraries.
debian_program() {
    local name=$1 path=$2 root=$peers/debian libraries
    if [ -x "$path" ]; then
        wrap "$name" "exec '$path' \"\$@\""
    elif [ -x "$root$path" ]; then
        libraries=$(find "$root" -name '*.so.*' -printf '%h\n' | sort -u | paste -sd:)
        wrap "$name" "export LD_LIBRARY_PATH='$libraries'" "exec '$root$path' \"\$@\""
    else
        return 1
    fi
}

kannel() {
    local path=(/usr/sbin/bearerbox /usr/sbin/smsbox /usr/lib/kannel/test/drive_smpp) program
    for program in "${path[@]}"; do
        debian_program "$(basename "$program")" "$program" && continue
        { unpack kannel kannel-extras && debian_program "$(basename "$program")" "$program"; } ||
            { lacks kannel "no package kannel or kannel-extras" && return; }
    done
    have kannel "$("$peers/bin/bearerbox" --version 2>/dev/null | sed -n '1s/[^0-9]*\([0-9.]*\).*/\1/p' | head -n 1)"
}

wireshark() {
    debian_program tshark /usr/bin/tshark ||
        { unpack tshark && debian_program tshark /usr/bin/tshark; } ||
        { lacks tshark "no package tshark" && return; }
    have tshark "$("$peers/bin/tshark" --version 2>/dev/null | sed -n '1s/[^0-9]*\([0-9.]*\).*/\1/p')"
}

echo "SMPP peers in $peers:"
node_smpp
python_clients
kannel
wireshark
rusmppc
exit "$missing"
