#!/bin/sh
# Puts together what is installed, laid out as below a prefix, with the script that installs it.
#
#   tools/stage.sh PROGRAM FOLDER
#
# The program makes its man page, its completions and its configuration file itself. The folder is made anew.
set -eu
cd "$(dirname "$0")/.."
program=$1
stage=$2
rm -rf "$stage"

share=$stage/share
mkdir -p "$stage/bin" "$stage/etc/fanfare" "$share/man/man1" "$share/doc/fanfare" "$share/fanfare/client" \
    "$share/bash-completion/completions" "$share/zsh/site-functions" "$share/fish/vendor_completions.d" \
    "$stage/lib/systemd/system" "$stage/lib/sysusers.d"

install -m 755 "$program" "$stage/bin/fanfare"
"$program" generate man "$share/man/man1"
"$program" generate config "$stage/etc/fanfare"
"$program" generate completions "$share/bash-completion/completions"
mv "$share/bash-completion/completions/_fanfare" "$share/zsh/site-functions/"
mv "$share/bash-completion/completions/fanfare.fish" "$share/fish/vendor_completions.d/"
mv "$share/bash-completion/completions/fanfare.bash" "$share/bash-completion/completions/fanfare"
install -m 644 README.md tuning.md deploy/nginx.conf deploy/haproxy.cfg "$share/doc/fanfare/"
install -m 644 deploy/fanfare.service deploy/fanfare.socket "$stage/lib/systemd/system/"
install -m 644 deploy/fanfare.sysusers "$stage/lib/sysusers.d/fanfare.conf"
install -m 755 deploy/install.sh "$stage/install.sh"

# Of the browser clients what is served, under its licence.
for package in socket.io-client socket.io-client-2; do
    from=.deps/client/node_modules/$package
    if [ ! -d "$from" ]; then
        echo "stage: $package is not there: tools/setup.sh run installs it" >&2
        continue
    fi
    to=$share/fanfare/client/node_modules/$package
    mkdir -p "$to/dist"
    install -m 644 "$from/package.json" "$from/LICENSE" "$to/"
    install -m 644 "$from"/dist/*.js "$from"/dist/*.map "$to/dist/"
done
