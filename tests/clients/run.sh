#!/bin/sh
# Real clients against the program: npm's ws (node --test) and Python's websockets (unittest).
#
#   tests/clients/run.sh
#
# Takes the release program if it is built, else the debug one; builds the latter if there is neither.
# FANFARE_PROGRAM names another.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
clients=tests/clients

cmp -s $clients/package-lock.json .deps/node/installed && cmp -s $clients/requirements.txt .deps/python/installed ||
    tools/setup.sh test

target=${CARGO_TARGET_DIR:-$root/target}
if [ -z "${FANFARE_PROGRAM:-}" ]; then
    FANFARE_PROGRAM=$target/release/fanfare
    [ -x "$FANFARE_PROGRAM" ] || FANFARE_PROGRAM=$target/debug/fanfare
    [ -x "$FANFARE_PROGRAM" ] || cargo build --quiet --locked --bin fanfare
fi
export FANFARE_PROGRAM FANFARE_ROOT="$root"

echo "clients: $FANFARE_PROGRAM"
node --test --test-reporter=spec $clients/*.test.mjs
.deps/python/bin/python -m unittest discover --start-directory $clients --pattern '*_test.py' --verbose
