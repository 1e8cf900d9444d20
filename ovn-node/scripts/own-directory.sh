#!/bin/sh
# Gives the databases' directory, which the kubelet has made, to the user that they run as.
# usage: own-directory.sh USER
set -eu
data=${OVN_DATA:-/var/lib/ovn}
# It tells the clean-up that the directory may go.
[ -n "$(ls -A "$data")" ] || : >"$data/.nauti"
chown -R "$1:$1" "$data"
