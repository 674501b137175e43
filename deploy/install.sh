#!/bin/sh
# Installs fanfare from the folder that this script lies in, or removes it.
#
#   [DESTDIR=./package] [PREFIX=/usr/local] [SYSCONFDIR=/etc] ./install.sh [install|uninstall]
#
# A configuration that is there stays as it is, also when fanfare is removed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
DESTDIR=${DESTDIR:-}
PREFIX=${PREFIX:-/usr/local}
SYSCONFDIR=${SYSCONFDIR:-/etc}
config=$DESTDIR$SYSCONFDIR/fanfare/fanfare.toml

# Everything below the prefix, by its path there.
files() {
    (cd "$here" && find bin lib share -type f | sort)
}

case ${1:-install} in
    install)
        files | while read -r file; do
            to=$DESTDIR$PREFIX/$file
            mkdir -p "$(dirname "$to")"
            mode=644
            [ ! -x "$here/$file" ] || mode=755
            # A program that runs is replaced, not written into.
            rm -f "$to"
            case $file in
                lib/systemd/*)
                    sed -e "s#@PREFIX@#$PREFIX#g" -e "s#@SYSCONFDIR@#$SYSCONFDIR#g" "$here/$file" >"$to"
                    chmod $mode "$to" ;;
                *) install -m $mode "$here/$file" "$to" ;;
            esac
        done
        mkdir -p "$(dirname "$config")"
        if [ -e "$config" ]; then
            echo "$config stays as it is"
        else
            # It will have secrets.
            install -m 640 "$here/etc/fanfare/fanfare.toml" "$config"
        fi
        if [ -z "$DESTDIR" ] && [ -d /run/systemd/system ] && [ "$(id -u)" = 0 ]; then
            systemd-sysusers "$PREFIX/lib/sysusers.d/fanfare.conf"
            chgrp fanfare "$config"
            systemctl daemon-reload
            echo "now: systemctl enable --now fanfare"
        fi ;;
    uninstall)
        files | while read -r file; do
            rm -f "$DESTDIR$PREFIX/$file"
        done
        # Of the folders only those that were nobody else's.
        for folder in fanfare doc/fanfare; do
            [ ! -d "$DESTDIR$PREFIX/share/$folder" ] ||
                find "$DESTDIR$PREFIX/share/$folder" -depth -type d -exec rmdir --ignore-fail-on-non-empty {} +
        done
        [ ! -e "$config" ] || echo "$config is left" ;;
    *)
        echo "usage: $0 [install|uninstall]" >&2
        exit 2 ;;
esac
