#!/bin/sh
# Runs one of OVN's databases.
# usage: database.sh nb|sb
#
# /var/lib/ovn holds it, /run/ovn its sockets for this pod, $PKI key and certificates. Others reach it by TLS alone: there
# is no other listener than the one below, whatever the database says of connections.
set -eu
kind=$1
pki=$PKI
data=${OVN_DATA:-/var/lib/ovn} run=${OVN_RUN:-/run/ovn}
case $kind in
  nb) name=OVN_Northbound schema=ovn-nb clients=ca.crt remote='"pssl:6641:[::]": {}' ;;
  # A client may do what OVN's role lets a chassis do: write its own, by the name in its certificate.
  sb) name=OVN_Southbound schema=ovn-sb clients=clients.crt remote='"pssl:6642:[::]": { "role": "ovn-controller" }' ;;
  *) echo "usage: database.sh nb|sb" >&2; exit 2 ;;
esac
schema=/usr/share/ovn/$schema.ovsschema
file=$data/ovn${kind}_db.db
socket=$run/ovn${kind}_db

[ -f "$file" ] || ovsdb-tool create "$file" "$schema"
if [ "$(ovsdb-tool needs-conversion "$file" "$schema")" = yes ]; then ovsdb-tool convert "$file" "$schema"; fi
# A path may hold what JSON would have to escape; ours do not.
printf '{ "remotes": { "punix:%s.sock": {}, %s }, "databases": { "%s": {} } }\n' "$socket" "$remote" "$file" \
  >"$run/ovn$kind.json"
exec "${0%/*}/as-child.sh" ovsdb-server --no-chdir -vconsole:info -vsyslog:off -vfile:off --unixctl="$socket.ctl" \
  --config-file="$run/ovn$kind.json" \
  --private-key="$pki/tls.key" --certificate="$pki/tls.crt" --ca-cert="$pki/$clients"
