#!/bin/sh
# Tells the node's database what the node is, and runs ovs-vswitchd.
#
# NODE_NAME; NODE_ADDRESS: where other nodes reach it; DATAPATH: system or netdev; UNDERLAY: device that carries the
# tunnels, empty for the one with NODE_ADDRESS; SB: address of the southbound database.
set -eu
run=${OVS_RUN:-/run/openvswitch}
. "${0%/*}/wait-for.sh"
. "${0%/*}/underlay.sh"
# The container is started again, and then gets it: in the database it would stay.
case $SB in
  *'$('*)
    echo "Cannot say where the southbound database is as the Service nauti-ovn-sb must be known: $SB" >&2
    exit 1
    ;;
esac
# Nothing waits for ovs-vswitchd: it is not there yet.
vsctl() { ovs-vsctl --timeout=5 --no-wait --db="unix:$run/db.sock" "$@"; }

# The database may be starting: no probe orders the containers, as a second of it would be a second without network. Short
# attempts, as ovs-vsctl itself would ask at longer and longer intervals.
tries=0
until said=$(vsctl init 2>&1); do
  tries=$((tries + 1))
  [ "$tries" -le 300 ] || { echo "the node's database must answer: $said" >&2; exit 1; }
  sleep 0.1
done
address=$NODE_ADDRESS
if [ -n "$UNDERLAY" ]; then
  cidr=$(underlay_cidr)
  if [ -z "$cidr" ]; then
    echo "Cannot use the underlay $UNDERLAY as it must have an address: $(ip -o addr show dev "$UNDERLAY" 2>&1)" >&2
    exit 1
  fi
  address=${cidr%/*}
fi

if [ "$DATAPATH" = netdev ]; then
  # In user space a tunnel's packets leave by a bridge that holds the underlay and has its address.
  vsctl -- --may-exist add-br br-phy -- set Bridge br-phy datapath_type=netdev \
    "external_ids:nauti-underlay=$UNDERLAY" "external_ids:nauti-cidr=\"$cidr\"" \
    -- --may-exist add-port br-phy "$UNDERLAY"
fi
vsctl -- --may-exist add-br br-int \
  -- set Bridge br-int "datapath_type=$DATAPATH" fail_mode=secure other_config:disable-in-band=true \
  -- set Open_vSwitch . "external_ids:system-id=$NODE_NAME" "external_ids:hostname=$NODE_NAME" \
  "external_ids:ovn-bridge=br-int" "external_ids:ovn-bridge-datapath-type=$DATAPATH" \
  "external_ids:ovn-remote=\"$SB\"" external_ids:ovn-encap-type=geneve "external_ids:ovn-encap-ip=\"$address\"" \
  external_ids:ovn-remote-probe-interval=30000
if [ "$DATAPATH" = netdev ]; then keep_underlay "$cidr" & fi
exec "${0%/*}/as-child.sh" ovs-vswitchd --no-chdir -vconsole:info -vsyslog:off -vfile:off \
  --unixctl="$run/ovs-vswitchd.ctl" "unix:$run/db.sock"
