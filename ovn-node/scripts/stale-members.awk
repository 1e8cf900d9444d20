# Reads what ovs-appctl cluster/status says to the leader, and names the servers to take out: of several with one address
# all but the one that was heard of last, and those whose address is that of no member any more.
#     3d4f (3d4f at tcp:127.1.0.2:6643) next_index=9 match_index=8 last msg 308 ms ago
/^Servers:/ { servers = 1; next }
servers && $3 == "at" {
  address = $4
  sub(/\)$/, "", address)
  age = 1e12
  if (/\(self\)/) age = -1
  else if (match($0, /last msg [0-9]+ ms ago/)) age = substr($0, RSTART + 9) + 0
  for (known = 0; known < members; known++) if (address == "tcp:127.1.0." (known + 1) ":" raft) break
  if (known == members) print $1
  else if (!(address in best)) { best[address] = $1; ages[address] = age }
  else if (age < ages[address]) { print best[address]; best[address] = $1; ages[address] = age }
  else print $1
}
