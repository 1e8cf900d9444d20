#!/bin/sh
# Whether ovn-controller is connected to the southbound database.
set -eu
state=$(ovn-appctl --timeout=3 -t "${OVN_RUN:-/run/ovn}/ovn-controller.ctl" connection-status)
[ "$state" = connected ] || { echo "ovn-controller must be connected: $state" >&2; exit 1; }
