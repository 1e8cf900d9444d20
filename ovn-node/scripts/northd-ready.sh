#!/bin/sh
# Whether ovn-northd works, or stands by for another one, with both databases.
set -eu
# There is nothing to be connected to yet: see member.sh.
[ ! -e "${OVN_RUN:-/run/ovn}/ovnnb.grows" ] && [ ! -e "${OVN_RUN:-/run/ovn}/ovnsb.grows" ] || exit 0
control() { ovn-appctl --timeout=3 -t "${OVN_RUN:-/run/ovn}/ovn-northd.ctl" "$@"; }
for database in nb sb; do
  state=$(control $database-connection-status)
  [ "$state" = connected ] || { echo "northd must be connected to $database: $state" >&2; exit 1; }
done
status=$(control status)
case $status in *active* | *standby*) ;; *) echo "northd must be active: $status" >&2; exit 1 ;; esac
