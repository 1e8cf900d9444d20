#!/bin/sh
# Runs ovn-northd, which makes the southbound database of the northbound one.
#
# With MEMBERS > 1 there is one in each pod: it finds the leader of each database by the ways of member.sh, and works where it
# gets OVN's lock. The others stand by.
set -eu
run=${OVN_RUN:-/run/ovn}
nb=unix:$run/ovnnb_db.sock sb=unix:$run/ovnsb_db.sock
member=0
while [ "${MEMBERS:-1}" -gt 1 ] && [ "$member" -lt "$MEMBERS" ]; do
  if [ "$member" -ne "${POD_NAME##*-}" ]; then
    nb=$nb,tcp:127.1.0.$((member + 1)):16641
    sb=$sb,tcp:127.1.0.$((member + 1)):16642
  fi
  member=$((member + 1))
done
exec "${0%/*}/as-child.sh" ovn-northd --no-chdir -vconsole:info -vsyslog:off -vfile:off --unixctl="$run/ovn-northd.ctl" \
  --ovnnb-db="$nb" --ovnsb-db="$sb"
