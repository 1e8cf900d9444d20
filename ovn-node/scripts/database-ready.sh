#!/bin/sh
# Whether a database answers and may be written here: it leads, or knows who does (RAFT: followers pass on what is written).
# usage: database-ready.sh nb|sb
set -eu
run=${OVN_RUN:-/run/ovn}
case $1 in nb) name=OVN_Northbound ;; sb) name=OVN_Southbound ;; *) exit 2 ;; esac
# It waits for the first member, which waits for it: see member.sh.
[ ! -e "$run/ovn$1.grows" ] || exit 0
query='["_Server",{"op":"select","table":"Database","where":[["name","==","'$name'"]],"columns":["connected"]}]'
answer=$(ovsdb-client --timeout=3 query "unix:$run/ovn$1_db.sock" "$query")
case $answer in
  *'"connected":true'*) ;;
  *) echo "$name must be connected to its members: $answer" >&2; exit 1 ;;
esac
