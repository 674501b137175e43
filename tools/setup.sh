#!/bin/sh
# Installs what is missing, and nothing else; done twice, it does nothing the second time.
#
#   tools/setup.sh [run|test]
#
# run: what building takes, and the browser clients that the server serves, of tools/client, in .deps/client; the
# server runs without them, too. test: what the tests take, too: Node.js 18 or newer, and the client libraries of
# tests/clients in .deps/node and .deps/python (a virtual environment), and Redis, nginx, HAProxy and Chromium, which the
# tests start themselves: as services of the system they are not started. systemd and strace are there to check units. Packages
# of the system come by apt.
# Rust is expected to be there.
set -eu
cd "$(dirname "$0")/.."

case ${1:-run} in
    run) for_tests= ;;
    test) for_tests=yes ;;
    *) echo "usage: $0 [run|test]" >&2; exit 2 ;;
esac

have() { command -v "$1" >/dev/null 2>&1; }

fail() {
    echo "setup: $1" >&2
    exit 1
}

# apt PACKAGE...
apt() {
    have apt-get || fail "please install: $*"
    as_root=
    [ "$(id -u)" = 0 ] || { have sudo || fail "please install, as root: $*"; as_root=sudo; }
    echo "setup: installing $*"
    [ -n "${updated:-}" ] || $as_root apt-get update -qq
    updated=yes
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# component NAME PROGRAM: a part of Rust that is needed for the checks.
component() {
    cargo "$2" --version >/dev/null 2>&1 && return
    have rustup || fail "please install $1, a component of Rust"
    echo "setup: adding $1"
    rustup component add "$1"
}

# packages FOLDER PLACE: what the lock file in the folder names, in the place, if that has not been done.
packages() {
    cmp -s "$1/package-lock.json" "$2/installed" && return
    have node || apt nodejs
    have npm || apt npm
    echo "setup: installing the packages of $1 into $2"
    rm -rf "$2"
    mkdir -p "$2"
    cp "$1/package.json" "$1/package-lock.json" "$2/"
    npm ci --prefix "$2" --ignore-scripts --no-audit --no-fund --loglevel=error --fetch-retries=1
    cp "$1/package-lock.json" "$2/installed"
}

# The browser clients. A program that is built elsewhere finds them beside itself.
browser_clients() {
    packages tools/client .deps/client
    [ -n "${CARGO_TARGET_DIR:-}" ] || return 0
    for profile in debug release; do
        mkdir -p "$CARGO_TARGET_DIR/$profile"
        ln -sfn "$PWD/.deps/client" "$CARGO_TARGET_DIR/$profile/client"
    done
}

have cargo || fail "please install Rust 1.90 or newer: see https://www.rust-lang.org/tools/install"
have cc || apt gcc libc6-dev
if [ -z "$for_tests" ]; then
    # In a shell of its own, which ends at the first thing that fails.
    set +e
    (set -e; browser_clients)
    [ $? = 0 ] || echo "setup: the browser client is not installed: the server runs without /socket.io/socket.io.js" >&2
    exit 0
fi

component rustfmt fmt
component clippy clippy

# Node.js for the clients in JavaScript.
node_is_new() { have node && node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)'; }
node_is_new || apt nodejs
node_is_new || fail "please install Node.js 18 or newer"
clients=tests/clients
packages $clients .deps/node
browser_clients

# Python 3 for the clients in Python.
have python3 && python3 -c 'import venv, ensurepip' 2>/dev/null || apt python3 python3-venv
if [ -f $clients/requirements.txt ] && ! cmp -s $clients/requirements.txt .deps/python/installed; then
    echo "setup: installing the clients in Python into .deps/python"
    rm -rf .deps/python
    python3 -m venv .deps/python
    .deps/python/bin/python -m pip install --quiet --no-input --disable-pip-version-check -r $clients/requirements.txt
    cp $clients/requirements.txt .deps/python/installed
fi

# without_service PACKAGE NAME: a program that the tests start. A service that was there before is left alone; one that comes
# with the package is not wanted.
without_service() {
    apt "$1"
    if [ -d /run/systemd/system ]; then
        $as_root systemctl disable --quiet --now "$2" || fail "cannot disable the service $2"
    else
        $as_root service "$2" stop >/dev/null 2>&1 || true
        $as_root update-rc.d "$2" disable >/dev/null || fail "cannot disable the service $2"
    fi
}

# Programs of the system for its services are not in everybody's path.
PATH=$PATH:/usr/sbin:/sbin
{ have redis-server && have redis-cli; } || without_service redis-server redis-server
have nginx || without_service nginx-light nginx
have haproxy || without_service haproxy haproxy
have openssl || apt openssl
# They check the units.
have systemd-analyze || apt systemd
have strace || apt strace

# A browser without a screen, for the console.
have chromium || apt chromium

# The client in Rust is built with a TLS that it never uses.
{ have pkg-config && pkg-config --exists openssl; } || apt pkg-config libssl-dev
