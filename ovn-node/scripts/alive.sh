#!/bin/sh
# Whether a daemon of OVS or OVN answers on its control socket.
# usage: alive.sh SOCKET
exec ovs-appctl --timeout=8 -t "$1" version >/dev/null
