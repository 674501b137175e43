#!/bin/sh
# Whether tools/public_api/api.txt still lists the public API of the library: a change of it shall be seen in a diff.
#
#   tools/public_api/check.sh [--update]
#
# Shows what differs and ends with 1; --update writes the list anew. rustdoc's JSON is another with every few versions of
# Rust, and so are the names in it: with any version but the one below the check is skipped, or fails if CI is set.
# For a new version of Rust: change it here, and public-api in Cargo.toml to one that reads the JSON's format_version.
set -eu
cd "$(dirname "$0")/../.."
rust=1.95
folder=tools/public_api

case ${1:-} in
    "" | --update) ;;
    *) echo "usage: $0 [--update]" >&2; exit 2 ;;
esac

case $(rustc --version) in
    "rustc $rust."*) ;;
    *)
        echo "public_api: this is $(rustc --version), $folder/api.txt is made with $rust: NOT CHECKED" >&2
        [ -z "${CI:-}${1:-}" ] || exit 1
        exit 0
        ;;
esac

target=${CARGO_TARGET_DIR:-$PWD/target}
json=$target/doc/fanfare.json
found=$target/public_api/api.txt
cargo build --quiet --locked --manifest-path $folder/Cargo.toml --target-dir "$target/public_api"
rm -f "$json"
RUSTDOC=$PWD/$folder/rustdoc cargo rustdoc --quiet --locked --lib --all-features -- \
    -Z unstable-options --output-format json --document-hidden-items
"$target/public_api/debug/public-api-list" "$json" >"$found"

if [ -n "${1:-}" ]; then
    cp "$found" $folder/api.txt
elif ! diff -u --label $folder/api.txt --label "the code" $folder/api.txt "$found"; then
    echo "public_api: the public API is not what $folder/api.txt says. If it shall change: $folder/check.sh --update" >&2
    exit 1
fi
