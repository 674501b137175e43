#!/bin/sh
# A server of its own, and fanfare-flood against it: memory and processor time of the server are measured too.
#
#   tools/flood/run.sh FOLDER REACTORS COMMAND [FLAG...]
#
# FOLDER has the two programs. The server is ended by SIGTERM; how it ends counts.
set -eu
[ $# -ge 3 ] || { echo "usage: $0 FOLDER REACTORS COMMAND [FLAG...]" >&2; exit 2; }
folder=$1
reactors=$2
command=$3
shift 3

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

"$folder/fanfare" --listen 127.0.0.1:0 --reactors "$reactors" --log warn >"$work/ready" &
server=$!
tries=0
until grep -q ready "$work/ready"; do
    tries=$((tries + 1))
    if [ $tries -gt 100 ] || ! kill -0 $server 2>/dev/null; then
        echo "flood: the server did not start" >&2
        exit 1
    fi
    sleep 0.1
done
addr=$(sed -n 's,^fanfare ready on http://\([^ ]*\).*,\1,p' "$work/ready")

status=0
"$folder/fanfare-flood" "$command" --url "ws://$addr" --pid $server "$@" || status=$?
kill $server 2>/dev/null || true
wait $server || { echo "flood: the server ended with status $?" >&2; status=1; }
server=
exit $status
