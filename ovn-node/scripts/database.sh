#!/bin/sh
# Runs one of OVN's databases, alone or as a member of a cluster (RAFT).
# usage: database.sh nb|sb
#
# /var/lib/ovn holds it, /run/ovn its sockets for this pod, $PKI key and certificates. Clients of other pods reach it by TLS
# alone: there is no other such listener than the one below, whatever the database says of connections.
# MEMBERS: how many members there are, 1 where not given; POD_NAME: which one this is, by its number.
set -eu
kind=$1
pki=$PKI
. "${0%/*}/wait-for.sh"
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

is_clustered() { ovsdb-tool -vsyslog:off db-is-clustered "$file" 2>/dev/null; }

if [ "${MEMBERS:-1}" -gt 1 ]; then
  . "${0%/*}/member.sh"
  become_member
else
  # It was a member: what it has of the database is all of it now.
  if [ -f "$file" ] && is_clustered; then
    ovsdb-tool cluster-to-standalone "$file.alone" "$file"
    mv "$file.alone" "$file"
  fi
  [ -f "$file" ] || ovsdb-tool create "$file" "$schema"
  if [ "$(ovsdb-tool needs-conversion "$file" "$schema")" = yes ]; then ovsdb-tool convert "$file" "$schema"; fi
fi

wait_for_certificate "$pki"
# A path may hold what JSON would have to escape; ours do not.
printf '{ "remotes": { "punix:%s.sock": {}, %s }, "databases": { "%s": {} } }\n' "$socket" "$remote" "$file" \
  >"$run/ovn$kind.json"
if [ "${MEMBERS:-1}" -gt 1 ]; then keep_membership & fi
exec "${0%/*}/as-child.sh" ovsdb-server --no-chdir -vconsole:info -vsyslog:off -vfile:off --unixctl="$socket.ctl" \
  --config-file="$run/ovn$kind.json" \
  --private-key="$pki/tls.key" --certificate="$pki/tls.crt" --ca-cert="$pki/$clients"
