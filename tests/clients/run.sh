#!/bin/sh
# Real clients against the program: npm's ws and socket.io-client from 1.x to 4.x (node --test), Python's websockets and
# python-socketio (unittest), and rust_socketio; servers in JavaScript and emitters, in one cluster with it by a Redis that
# the tests start; the console in a browser; both protocols by hand, against examples/; and the other examples, each driven by the script or the page
# that comes with it.
#
#   tests/clients/run.sh
#
# Takes the release program if it is built, else the debug one; builds the latter if there is neither. The examples that
# no conformance suite needs are debug ones, which cargo test has built.
# FANFARE_PROGRAM names another; its examples lie in the folder examples beside it.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
clients=tests/clients

PATH=$PATH:/usr/sbin
cmp -s $clients/package-lock.json .deps/node/installed && cmp -s $clients/requirements.txt .deps/python/installed ||
    tools/setup.sh test

target=${CARGO_TARGET_DIR:-$root/target}
if [ -z "${FANFARE_PROGRAM:-}" ]; then
    profile=--release
    FANFARE_PROGRAM=$target/release/fanfare
    if [ ! -x "$FANFARE_PROGRAM" ]; then
        profile=
        FANFARE_PROGRAM=$target/debug/fanfare
        [ -x "$FANFARE_PROGRAM" ] || cargo build --quiet --locked --bin fanfare
    fi
    for example in engine_echo socketio_suite; do
        [ -x "$(dirname "$FANFARE_PROGRAM")/examples/$example" ] ||
            cargo build --quiet --locked $profile --example $example
    done
    cargo build --quiet --locked --workspace --examples
    FANFARE_EXAMPLES=$target/debug/examples
fi
FANFARE_EXAMPLES=${FANFARE_EXAMPLES:-$(dirname "$FANFARE_PROGRAM")/examples}
export FANFARE_PROGRAM FANFARE_EXAMPLES FANFARE_ROOT="$root"

# Apart from what fanfare is built of, and once: it does not change.
cargo build --quiet --locked --manifest-path $clients/rust_client/Cargo.toml --target-dir "$target/rust_client"
export FANFARE_RUST_CLIENT="$target/rust_client/debug/rust-client"

echo "clients: $FANFARE_PROGRAM"
node --test --test-reporter=spec $clients/*.test.mjs $clients/checklist/*.test.mjs $clients/cluster/*.test.mjs
.deps/python/bin/python -m unittest discover --start-directory $clients --pattern '*_test.py' --verbose
