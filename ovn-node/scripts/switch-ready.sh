#!/bin/sh
# Whether ovs-vswitchd has done all that the database says, and the underlay's address is where its packets leave.
set -eu
run=${OVS_RUN:-/run/openvswitch}
ovs-appctl --timeout=3 -t "$run/ovs-vswitchd.ctl" version >/dev/null
[ "$DATAPATH" != netdev ] || [ -n "$(ip -o addr show dev br-phy scope global 2>/dev/null)" ] || {
  echo "br-phy must have the underlay's address" >&2
  exit 1
}
