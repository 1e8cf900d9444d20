#!/bin/sh
# Runs OVN's own ovn-controller: the node as a chassis.
#
# It ends by SIGTERM without taking the chassis away, so that flows and tunnels stay while a new pod comes.
set -eu
pki=$PKI
run=${OVS_RUN:-/run/openvswitch}
. "${0%/*}/wait-for.sh"
wait_for_certificate "$pki"
# At an installation the database starts too. ovn-controller would ask it at longer and longer intervals, and any program of
# OVS (3.5) keeps a core busy while the Service has no endpoint, whose refusal it does not understand: so a shell connects first.
host=${SB#*\[} host=${host%\]*}
answers() {
  timeout 2 bash -c ': <>"/dev/tcp/$0/$1"' "$host" "${SB##*:}" &&
    ovsdb-client --timeout=2 list-dbs "$SB" --private-key="$pki/tls.key" --certificate="$pki/tls.crt" --ca-cert="$pki/ca.crt"
}
tries=0
until answers >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -le 60 ] || break
  sleep 0.25
done
exec "${0%/*}/as-child.sh" ovn-controller --no-chdir -vconsole:info -vsyslog:off -vfile:off -u "${OVN_RUN:-/run/ovn}/ovn-controller.ctl" \
  --private-key="$pki/tls.key" --certificate="$pki/tls.crt" --ca-cert="$pki/ca.crt" "unix:$run/db.sock"
