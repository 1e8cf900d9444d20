#!/bin/sh
# Gives the databases' directory, which the kubelet has made, to the user that they run as. Each pod has its own below it.
# usage: own-directory.sh USER POD
set -eu
data=${OVN_DATA:-/var/lib/ovn}
# It tells the clean-up that the directory may go.
[ -n "$(ls -A "$data")" ] || : >"$data/.nauti"
mkdir -p "$data/$2"
chown -R "$1:$1" "$data/$2"
