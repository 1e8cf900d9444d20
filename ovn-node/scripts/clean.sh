#!/bin/sh
# Takes off a node what the DaemonSets of this chart have put there. Nothing of them may run any more. Can be repeated.
#
# The host's /etc, /run and /var/lib are below $HOST. Only what is ours goes: directories that we found empty when we came,
# and devices that our database lists.
set -eu
host=${HOST:-/host}
data=$host/var/lib/openvswitch run=$host/run/openvswitch
database=$data/conf.db

# table column: what it holds, in JSON
columns() {
  ovsdb-tool -vsyslog:off query "$database" '["Open_vSwitch",{"op":"select","table":"'"$1"'","where":[],"columns":["'"$2"'"]}]'
}

# kind device: whether it exists and is of that kind
is() { ip -d link show dev "$2" 2>/dev/null | grep -Eq "^ +$1 "; }

delete() {
  echo "removing the device $1"
  ip link delete dev "$1"
}

if [ -e "$data/.nauti" ]; then
  underlay=
  if [ -f "$database" ]; then
    interfaces=$(columns Interface name)
    ids=$(columns Bridge external_ids)
    underlay=$(printf %s "$ids" | grep -o '"nauti-underlay","[^"]*"' | cut -d'"' -f4 | head -n 1)
    cidr=$(printf %s "$ids" | grep -o '"nauti-cidr","[^"]*"' | cut -d'"' -f4 | head -n 1)
    for device in $(printf %s "$interfaces" | grep -o '"name":"[^"]*"' | cut -d'"' -f4); do
      if [ "$device" = "$underlay" ]; then
        continue
      # The node's end of a pod's NIC; the pod's end goes with it.
      elif is veth "$device"; then
        delete "$device"
      # A bridge of the datapath in user space, which stays when ovs-vswitchd ends.
      elif is tun "$device"; then
        delete "$device"
      fi
    done
  fi
  # It carries the datapath in user space itself.
  if is tun ovs-netdev; then delete ovs-netdev; fi
  # The kernel's datapath stays too, with its bridges.
  if [ -e /sys/class/net/ovs-system ]; then ovs-dpctl del-dp system@ovs-system; fi
  if [ -e /sys/class/net/genev_sys_6081 ]; then delete genev_sys_6081; fi
  if [ -n "$underlay" ] && [ -e "/sys/class/net/$underlay" ]; then
    echo "giving $cidr back to $underlay"
    ip addr replace "$cidr" dev "$underlay"
    ip link set dev "$underlay" promisc off
    ip link set dev "$underlay" up
  fi
  rm -rf "$data" "$run"
fi
# What guarded the device ovn0, which is gone by now.
if nft list table inet nauti >/dev/null 2>&1; then
  echo "removing the table nauti of the packet filter"
  nft delete table inet nauti
fi
if [ -e "$host/var/lib/nauti/ovn/.nauti" ]; then
  rm -rf "$host/var/lib/nauti/ovn"
  rmdir "$host/var/lib/nauti" 2>/dev/null || true
fi
echo "the node is clean"
