# How a database is a member of a cluster. To be read by database.sh, whose variables it uses, after wait-for.sh.
#
# A member goes by an address of the pod's own loopback device, 127.1.0.<number + 1>, in all pods the same: `nauti ovn-link`
# carries what is said there to the other pods, by TLS. Port 6643 (nb) and 6644 (sb) are RAFT's; at 16641 and 16642 the
# Unix sockets of the others are found.
case $kind in nb) raft=6643 clients_of=16641 ;; sb) raft=6644 clients_of=16642 ;; esac
number=${POD_NAME##*-}
# A leader that was not heard of for so long is replaced, in ms.
election=${ELECTION_MS:-3000}

address() { echo "tcp:127.1.0.$(($1 + 1)):$raft"; }

others() {
  other=0
  while [ "$other" -lt "$MEMBERS" ]; do
    [ "$other" -eq "$number" ] || echo "$other"
    other=$((other + 1))
  done
}

# What another member answers: "has" where it has the database, "empty" where it waits for one, as this one does.
state_of() {
  list=$(ovsdb-client --timeout=2 list-dbs "tcp:127.1.0.$(($1 + 1)):$clients_of" 2>/dev/null) || return 0
  case $list in *"$name"*) echo has ;; *_Server*) echo empty ;; esac
}

# Whether another member works with the cluster, that is with most of the members.
is_connected() {
  query='["_Server",{"op":"select","table":"Database","where":[["name","==","'$name'"]],"columns":["connected"]}]'
  case $(ovsdb-client --timeout=2 query "tcp:127.1.0.$(($1 + 1)):$clients_of" "$query" 2>/dev/null) in
    *true*) return 0 ;;
    *) return 1 ;;
  esac
}

# Whether member 0 has a database that stands alone: its pod was made before there were to be several, and has no link. It is
# asked at its northbound port, as any client does.
zero_is_alone() {
  [ "$number" -ne 0 ] || return 1
  query='["_Server",{"op":"select","table":"Database","where":[["name","==","OVN_Northbound"]],"columns":["model"]}]'
  case $(ovsdb-client --timeout=2 query tcp:127.1.0.1:16640 "$query" 2>/dev/null) in
    *standalone*) return 0 ;;
    *) return 1 ;;
  esac
}

aside() {
  [ ! -f "$file" ] || { echo "putting the file aside: $1"; mv "$file" "$file.aside"; }
}

# Sees to it that there is a file: of the cluster that there is, or of the first one. Two clusters would be two truths, so the
# first is made by member 0 alone, and only when all the others say that they have none.
become_member() {
  if [ -f "$file" ] && is_clustered; then
    checked=0
    said=$(ovsdb-tool check-cluster "$file" 2>&1) || checked=$?
    case $said in *"left the cluster"*) checked=left ;; esac
    if [ "$checked" != 0 ]; then aside "$said"; fi
  elif [ "$number" -ne 0 ]; then
    aside "only the first member may have one that stood alone"
  fi
  # It listens once it has the certificate. Without it nobody can be asked.
  wait_for "the container link" test -e "$run/link"
  if zero_is_alone; then aside "it is of a cluster that is no more"; fi
  if [ -f "$file" ] && is_clustered; then return 0; fi
  echo "waiting for the other members"
  # It says to the others that there is nothing here.
  printf '{ "remotes": { "punix:%s.sock": {} }, "databases": {} }\n' "$socket" >"$run/ovn$kind.json"
  ovsdb-server --no-chdir -vconsole:warn -vsyslog:off -vfile:off --unixctl="$socket.ctl" --config-file="$run/ovn$kind.json" &
  waiting=$!
  trap 'kill "$waiting"; exit 0' TERM INT
  until decide; do sleep 0.5; done
  rm -f "$run/ovn$kind.grows"
  trap - TERM INT
  kill "$waiting"
  wait "$waiting" || true
}

decide() {
  # Its pod is replaced when the others are ready: so they say that they are.
  if zero_is_alone; then
    : >"$run/ovn$kind.grows"
    return 1
  fi
  rm -f "$run/ovn$kind.grows"
  empty=0
  for other in $(others); do
    case $(state_of "$other") in
      has)
        is_connected "$other" || continue
        aside "member $other is in a cluster"
        echo "joining the cluster that member $other is in"
        # Any of them says who leads.
        ovsdb-tool join-cluster "$file" "$name" "$(address "$number")" $(for one in $(others); do address "$one"; done)
        return 0
        ;;
      empty) empty=$((empty + 1)) ;;
    esac
  done
  [ "$number" -eq 0 ] && [ "$empty" -eq $((MEMBERS - 1)) ] || return 1
  echo "no other member has a database: this one begins the cluster"
  contents=$schema
  if [ -f "$file" ]; then contents=$file; fi
  rm -f "$file.cluster"
  ovsdb-tool --election-timer="$election" create-cluster "$file.cluster" "$contents" "$(address 0)"
  mv "$file.cluster" "$file"
}

control() { ovs-appctl --timeout=3 -t "$socket.ctl" "$@" 2>/dev/null; }

# While it leads it takes out members that lost their volume and came back as new ones, and those that are no longer there.
# A member that the others work without, as it was taken out or has another cluster's file, begins anew.
keep_membership() {
  alone=0
  while sleep 5; do
    # A server that was taken out while it ran drops the database.
    status=$(control cluster/status "$name") || status="Status: failed"
    case $status in
      *"Role: leader"*)
        alone=0
        convert_schema
        for stale in $(printf '%s\n' "$status" | awk -v members="$MEMBERS" -v raft="$raft" -f "${0%/*}/stale-members.awk"); do
          echo "taking out the member $stale: another one has come in its place"
          control cluster/kick "$name" "$stale" || true
        done
        ;;
      *"Leader: unknown"* | *"Status: joining"* | *"Status: removed"* | *"Status: failed"*)
        working=0
        for other in $(others); do if is_connected "$other"; then working=$((working + 1)); fi; done
        if [ "$working" -gt $((MEMBERS / 2)) ]; then alone=$((alone + 1)); else alone=0; fi
        if [ "$alone" -ge "${ALONE_ROUNDS:-12}" ]; then
          echo "the others work without this member"
          aside "beginning anew"
          control exit
          return 0
        fi
        ;;
      *) alone=0 ;;
    esac
  done
}

# Once for all members, while they work.
convert_schema() {
  [ "$(ovsdb-client --timeout=3 needs-conversion "unix:$socket.sock" "$schema" 2>/dev/null)" = yes ] || return 0
  echo "converting the database to the schema of this version"
  ovsdb-client --timeout=60 convert "unix:$socket.sock" "$schema" || true
}
