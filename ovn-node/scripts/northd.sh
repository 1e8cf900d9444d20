#!/bin/sh
# Runs ovn-northd, which makes the southbound database of the northbound one.
set -eu
run=${OVN_RUN:-/run/ovn}
exec "${0%/*}/as-child.sh" ovn-northd --no-chdir -vconsole:info -vsyslog:off -vfile:off --unixctl="$run/ovn-northd.ctl" \
  --ovnnb-db="unix:$run/ovnnb_db.sock" --ovnsb-db="unix:$run/ovnsb_db.sock"
