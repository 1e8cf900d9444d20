# Moves the address of the underlay to the bridge br-phy, and back. To be read by other scripts; needs wait-for.sh, vsctl and $UNDERLAY.
#
# Only the address is moved: a device with routes of its own loses them, so the underlay must be a NIC for tunnels alone.

# The underlay's address as it was found first: on the device, or in the database once it was moved.
underlay_cidr() {
  kept=$(vsctl --if-exists get Bridge br-phy external_ids:nauti-cidr 2>/dev/null | tr -d '"' || true)
  on=$(vsctl --if-exists get Bridge br-phy external_ids:nauti-underlay 2>/dev/null | tr -d '"' || true)
  found=$(device_cidr "$UNDERLAY")
  if [ -n "$found" ]; then echo "$found"; elif [ "$on" = "$UNDERLAY" ]; then echo "$kept"; fi
}

# The first global address of a device, IPv4 before IPv6, with its prefix length.
device_cidr() {
  { ip -o -4 addr show dev "$1" scope global; ip -o -6 addr show dev "$1" scope global; } 2>/dev/null |
    awk '{ print $4; exit }'
}

# br-phy is made by ovs-vswitchd, anew each time it starts.
move_underlay() {
  wait_for "ovs-vswitchd to make br-phy" test -e /sys/class/net/br-phy
  ip link set dev br-phy mtu "$(cat "/sys/class/net/$UNDERLAY/mtu")"
  ip link set dev br-phy up
  ip link set dev "$UNDERLAY" up
  ip addr replace "$1" dev br-phy
  ip addr flush dev "$UNDERLAY" scope global
}

# Moves it again whenever somebody gives it back to the device, as a DHCP client or a network manager does: with the address
# on both no tunnel works. Another address than the one that was found is left where it is.
keep_underlay() {
  move_underlay "$1" || return 1
  ip -o monitor address dev "$UNDERLAY" | while read -r _; do
    if [ "$(device_cidr "$UNDERLAY")" = "$1" ]; then
      echo "the underlay $UNDERLAY got its address back: moving it to br-phy again"
      move_underlay "$1"
    fi
  done
}
