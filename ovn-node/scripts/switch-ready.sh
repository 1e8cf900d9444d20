#!/bin/sh
# Whether ovs-vswitchd has done all that the database says, and the underlay's address is where its packets leave.
set -eu
run=${OVS_RUN:-/run/openvswitch}
ovs-appctl --timeout=3 -t "$run/ovs-vswitchd.ctl" version >/dev/null
[ "$DATAPATH" = netdev ] || exit 0
address() { ip -o addr show dev "$1" scope global 2>/dev/null; }
[ -n "$(address br-phy)" ] && [ -z "$(address "$UNDERLAY")" ] || {
  echo "br-phy alone must have the underlay's address: $(address br-phy) $(address "$UNDERLAY")" >&2
  exit 1
}
