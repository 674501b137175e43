#!/bin/sh
# What settings of the kernel do: the figures of tuning.md.
#
#   tools/flood/tuning.sh FOLDER [backlog|slow|hugepages]...
#
# FOLDER has the programs. Each measurement has a server and a network namespace of its own, in which alone the settings
# change: nothing has to be set back, and nobody else's connections notice. CONNECTIONS (30000) says how many return, or idle.
#
# backlog: everybody is cut off and returns, with net.core.somaxconn as it says. slow: what the kernel keeps for readers
# that do not read, and what larger messages then cost those who do. hugepages: memory of idle connections, with the
# heap in huge pages as transparent_hugepage=always makes it.
set -eu

usage() {
    echo "usage: $0 FOLDER [backlog|slow|hugepages]..." >&2
    exit 2
}

connections=${CONNECTIONS:-30000}

# number NAME: the number behind that name in the report of the last run.
number() { sed -n "s/.*\"$1\":\([-0-9.e]*\).*/\1/p" "$work/report"; }

# served FLAG...: a run of the tool against a server, with its report in the folder of this script's work.
served() {
    : >"$work/ready"
    "$folder/fanfare" --listen 127.0.0.1:0 --reactors 2 --log off >"$work/ready" &
    server=$!
    tries=0
    until grep -q ready "$work/ready"; do
        tries=$((tries + 1))
        [ $tries -le 100 ] && kill -0 $server 2>/dev/null || { echo "tuning: the server did not start" >&2; exit 1; }
        sleep 0.1
    done
    addr=$(sed -n 's,^fanfare ready on http://\([^ ]*\).*,\1,p' "$work/ready")
    "$folder/fanfare-flood" "$@" --json --url "ws://$addr" --pid $server >"$work/report" ||
        echo "tuning: $* failed" >&2
    kill $server
    wait $server || true
    server=
}

backlog() {
    served storm --connections "$connections" --seconds 0 --within 60
    back=$(number all_back_s)
    p99=$(sed -n 's/.*"back_us":{[^}]*"p99":\([0-9.]*\).*/\1/p' "$work/report")
    attempts=$(number attempts)
    overflows=$(nstat -asz TcpExtListenOverflows | awk '/Overflows/ { print $2 }')
    awk -v back="$back" -v p99="$p99" -v attempts="$attempts" -v overflows="$overflows" -v all="$connections" \
        'BEGIN { printf "all %d back after %.2f s, 99%% of them after %.2f s; %d attempts, %d refused by a full backlog\n",
                 all, back, p99 / 1e6, attempts, overflows }'
}

slow() {
    FANFARE_LIMITS_OUTBOX_BYTES=67108864
    export FANFARE_LIMITS_OUTBOX_BYTES
    served slow --connections 200 --messages 80 --payload 100000
    each=$(number kernel_bytes_each)
    delivery --messages 40 --payload 100000
    large=$least
    delivery --messages 1500 --payload 1000
    small=$least
    awk -v each="$each" -v large="$large" -v small="$small" \
        'BEGIN { printf "%.0f bytes for each slow reader; a delivery of 100,000 bytes %.1f us, of 1,000 bytes %.2f us\n",
                 each, large, small }'
}

# delivery FLAG...: the processor time of one, in microseconds; the lowest of three, as others use the machine too.
delivery() {
    : >"$work/deliveries"
    for _ in 1 2 3; do
        served broadcast --connections 500 --in-flight 4 "$@"
        number cpu_us_per_delivery >>"$work/deliveries"
    done
    least=$(sort -n "$work/deliveries" | head -1)
}

hugepages() {
    served hold --connections "$connections" --seconds 1
    for name in pss_before pss_held pss_after pss_per_connection; do
        printf '%s %.0f  ' $name "$(number $name)"
    done
    echo
}

# namespace SETTINGS WHAT: with these settings, in a namespace of its own.
namespace() {
    flags=-n
    [ "$(id -u)" = 0 ] || flags=-rn
    printf '%-52s ' "${1:-as it is}"
    SETTINGS=$1 unshare $flags "$self" "$folder" --inside "$2" &
    inside=$!
    wait $inside
    inside=
}

self=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
[ $# -ge 1 ] && [ -x "$1/fanfare" ] && [ -x "$1/fanfare-flood" ] || usage
folder=$(cd "$1" && pwd)
shift

if [ "${1:-}" = --inside ]; then
    work=$(mktemp -d)
    server=
    trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    ip link set lo up
    # name=value, with commas between the numbers of a value
    for setting in $SETTINGS; do
        sysctl -qw "$(echo "$setting" | tr , ' ')"
    done
    $2
    exit
fi

# Whoever ends this ends what is inside, too, as soon as its run is over.
inside=
trap '[ -z "$inside" ] || kill "$inside" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
[ $# -ge 1 ] || set -- backlog slow hugepages
for what in "$@"; do
    echo "== $what"
    case $what in
        backlog)
            for length in 128 4096 65535; do
                namespace "net.core.somaxconn=$length" backlog
            done
            ;;
        slow)
            namespace "" slow
            namespace "net.ipv4.tcp_wmem=4096,16384,262144" slow
            namespace "net.ipv4.tcp_notsent_lowat=131072" slow
            namespace "net.ipv4.tcp_notsent_lowat=16384" slow
            ;;
        hugepages)
            namespace "" hugepages
            GLIBC_TUNABLES=glibc.malloc.hugetlb=1
            export GLIBC_TUNABLES
            printf 'with GLIBC_TUNABLES=%s: ' $GLIBC_TUNABLES
            namespace "" hugepages
            ;;
        *) usage ;;
    esac
done
