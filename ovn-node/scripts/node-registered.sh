#!/bin/sh
# Whether all of the node is ready, and the southbound database has its chassis, with the address of its tunnels: asked until
# it is, so that what is asked more seldom afterwards finds it so. In this order, as the first costs little where it is not so.
set -eu
"${0%/*}/node-ready.sh"
pki=$PKI
run=${OVS_RUN:-/run/openvswitch}
address=$(ovs-vsctl --timeout=3 --db="unix:$run/db.sock" get Open_vSwitch . external_ids:ovn-encap-ip | tr -d '"')
found=$(ovn-sbctl --timeout=5 --no-leader-only --db="$SB" \
  --private-key="$pki/tls.key" --certificate="$pki/tls.crt" --ca-cert="$pki/ca.crt" \
  --bare --columns=ip find Encap "chassis_name=\"$NODE_NAME\"")
[ "$found" = "$address" ] || { echo "the chassis $NODE_NAME must be registered at $address: $found" >&2; exit 1; }
