#!/bin/sh
# Whether the node works as a chassis: ovs-vswitchd has done all that the database says, the underlay's address is where its
# packets leave, and ovn-controller is connected to the southbound database.
set -eu
run=${OVS_RUN:-/run/openvswitch}
ovs-appctl --timeout=3 -t "$run/ovs-vswitchd.ctl" version >/dev/null
state=$(ovn-appctl --timeout=3 -t "${OVN_RUN:-/run/ovn}/ovn-controller.ctl" connection-status)
[ "$state" = connected ] || { echo "ovn-controller must be connected: $state" >&2; exit 1; }
[ "$DATAPATH" = netdev ] || exit 0
address() { ip -o addr show dev "$1" scope global 2>/dev/null; }
[ -n "$(address br-phy)" ] && [ -z "$(address "$UNDERLAY")" ] || {
  echo "br-phy alone must have the underlay's address: $(address br-phy) $(address "$UNDERLAY")" >&2
  exit 1
}
