#!/bin/sh
# Runs the Autobahn|Testsuite against examples/echo.
#
#   tools/autobahn/run.sh [quick|all]
#
# quick: sections 1 to 7 and 10, and of compression (12 and 13) one case for each kind of data and of offer. all:
# section 9 (limits and performance) and the whole of 12 and 13 as well, which takes a quarter of an hour. CASES, a JSON
# list without its brackets, names others. Ends with 1 if a case fails or is not implemented, with 0 if all pass. The
# suite needs Python 2.7; where there is none it is SKIPPED, loudly, with status 0, or with status 1 if AUTOBAHN_REQUIRED is set.
set -eu

mode=${1:-quick}
case $mode in
    quick)
        cases='"1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"'
        cases="$cases, "'"12.1.4", "12.2.5", "12.3.2", "12.4.3", "12.5.11"'
        cases="$cases, "'"13.1.3", "13.2.4", "13.3.5", "13.4.4", "13.5.3", "13.6.4", "13.7.4"'
        ;;
    all) cases='"1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*", "12.*", "13.*"' ;;
    *) echo "usage: $0 [quick|all]" >&2; exit 2 ;;
esac

cases=${CASES:-$cases}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
suite=$root/.deps/autobahn
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

skip() {
    echo "##########################################################################" >&2
    echo "## autobahn: SKIPPED: $1" >&2
    echo "##########################################################################" >&2
    [ -z "${AUTOBAHN_REQUIRED:-}" ] || exit 1
    exit 0
}

# The first Python 2.7 that really runs: a version manager's shims answer to the name without having one.
python=
for candidate in ${PYTHON27:-} python2.7 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python2.7 python2; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || skip "no Python 2.7 here (set PYTHON27, or install one with pyenv: pyenv install 2.7.18)"

# A directory given to --target has packages that share a namespace, which only a site directory resolves.
wstest='import site, sys; site.addsitedir(sys.argv.pop(1)); from autobahntestsuite.wstest import run; run()'

if ! "$python" -c "$wstest" "$suite" --help >/dev/null 2>&1; then
    echo "autobahn: installing autobahntestsuite 0.8.2 into .deps/autobahn"
    rm -rf "$suite"
    "$python" -m pip install --quiet --no-input --disable-pip-version-check --target "$suite" \
        autobahntestsuite==0.8.2 >"$work/pip.log" 2>&1 || {
        tail -5 "$work/pip.log" >&2
        skip "autobahntestsuite 0.8.2 could not be installed"
    }
fi

cargo build --quiet --release --manifest-path "$root/Cargo.toml" --example echo
target=${CARGO_TARGET_DIR:-$root/target}
"$target/release/examples/echo" --compression --listen 127.0.0.1:0 >"$work/ready" 2>"$work/server.log" &
server=$!
tries=0
while ! grep -q ready "$work/ready"; do
    tries=$((tries + 1))
    if [ $tries -gt 100 ] || ! kill -0 "$server" 2>/dev/null; then
        cat "$work/server.log" >&2
        echo "autobahn: examples/echo did not start" >&2
        exit 1
    fi
    sleep 0.1
done
addr=$(sed -n 's,^echo ready on http://\([^ ]*\).*,\1,p' "$work/ready" | head -n 1)

cat >"$work/spec.json" <<SPEC
{
  "options": {"failByDrop": false},
  "outdir": "$work/reports",
  "servers": [{"agent": "fanfare", "url": "ws://$addr/echo", "options": {"version": 18}}],
  "cases": [$cases],
  "exclude-cases": [],
  "exclude-agent-cases": {}
}
SPEC
echo "autobahn: $mode, against $addr"
cd "$work"
"$python" -c "$wstest" "$suite" -m fuzzingclient -s "$work/spec.json" >"$work/suite.log" 2>&1 || {
    tail -20 "$work/suite.log" >&2
    echo "autobahn: the suite itself failed" >&2
    exit 1
}
kill -0 "$server" 2>/dev/null || {
    cat "$work/server.log" >&2
    echo "autobahn: the server died" >&2
    exit 1
}
rm -rf "$root/target/autobahn"
mkdir -p "$root/target"
cp -r "$work/reports" "$root/target/autobahn"
"$python" "$here/verdict.py" "$root/target/autobahn/index.json"
