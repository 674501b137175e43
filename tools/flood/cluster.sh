#!/bin/sh
# Two servers of its own with a Redis of its own, and messages from clients of one to clients of the other.
#
#   tools/flood/cluster.sh FOLDER [FLAG...]
#
# FOLDER has the two programs; the flags are those of `fanfare-flood relay`. SHARDED=true has the servers speak by sharded
# Pub/Sub. The three processes whose processor time is shown are the senders' server, Redis, the receivers' server.
set -eu
[ $# -ge 1 ] || { echo "usage: $0 FOLDER [FLAG...]" >&2; exit 2; }
folder=$1
shift

work=$(mktemp -d)
pids=
trap 'for pid in $pids; do kill "$pid" 2>/dev/null || true; done; wait; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# until_there FILE PATTERN PID
until_there() {
    tries=0
    until grep -q "$2" "$1"; do
        tries=$((tries + 1))
        if [ $tries -gt 100 ] || ! kill -0 "$3" 2>/dev/null; then
            echo "cluster: a program did not start" >&2
            cat "$1" >&2
            exit 1
        fi
        sleep 0.1
    done
}

: >"$work/redis"
redis-server --port 0 --unixsocket "$work/redis.sock" --save '' --appendonly no --dir "$work" >"$work/redis" &
redis=$!
pids=$redis
until_there "$work/redis" 'ready to accept\|Ready to accept' $redis

# server NAME
server() {
    : >"$work/$1"
    FANFARE_CLUSTER_SHARDED=${SHARDED:-false} FANFARE_SOCKETIO_SERVE_CLIENT=false \
        "$folder/fanfare" --listen 127.0.0.1:0 --reactors 1 --log warn --redis "redis+unix://$work/redis.sock" >"$work/$1" &
    pid=$!
    pids="$pids $pid"
    until_there "$work/$1" ready $pid
}
addr() { sed -n 's,^fanfare ready on http://\([^ ]*\).*,\1,p' "$work/$1"; }

server from
from=$pid
server to
"$folder/fanfare-flood" relay --from "ws://$(addr from)" --to "ws://$(addr to)" --pid "$from,$redis,$pid" "$@"
