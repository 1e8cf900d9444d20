#!/bin/sh
# Runs the node's Open_vSwitch database. What is in it survives the pod and a reboot: without it every NIC would be lost.
set -eu
data=${OVS_DATA:-/var/lib/openvswitch} run=${OVS_RUN:-/run/openvswitch}
socket=$run/db.sock
schema=/usr/share/openvswitch/vswitch.ovsschema
if ovsdb-client --timeout=3 list-dbs "unix:$socket" >/dev/null 2>&1; then
  echo "Cannot run Open vSwitch as no other one may run on this node: somebody answers on $socket" >&2
  exit 1
fi
if [ ! -e "$data/.nauti" ]; then
  if [ -n "$(ls -A "$data")" ]; then
    echo "Cannot run Open vSwitch as its directory must be empty or ours: it holds $(ls -A "$data" | tr '\n' ' ')" >&2
    exit 1
  fi
  # It tells the clean-up that the directory may go.
  : >"$data/.nauti"
fi
[ -f "$data/conf.db" ] || ovsdb-tool create "$data/conf.db" "$schema"
if [ "$(ovsdb-tool needs-conversion "$data/conf.db" "$schema")" = yes ]; then ovsdb-tool convert "$data/conf.db" "$schema"; fi
# Listeners from a file: those of the command line are kept in /tmp, which cannot be written.
printf '{ "remotes": { "punix:%s": {} }, "databases": { "%s": {} } }\n' "$socket" "$data/conf.db" >"$run/ovsdb-server.json"
exec "${0%/*}/as-child.sh" ovsdb-server --no-chdir -vconsole:info -vsyslog:off -vfile:off --unixctl="$run/ovsdb-server.ctl" \
  --config-file="$run/ovsdb-server.json"
