# To be read by other scripts.

# what test…: waits until the test holds, looking every 0.1 s. What it waits for is said after 2 s, and then every 10 s.
wait_for() {
  awaited=$1
  shift
  looks=0
  until "$@"; do
    [ $((looks % 100)) -ne 20 ] || echo "waiting for $awaited" >&2
    looks=$((looks + 1))
    sleep 0.1
  done
}

# The container beside this one gets it; a pod without is not ready, and says so here.
wait_for_certificate() {
  wait_for "the certificate: see the container certificate, and nauti-ovn-pki" test -e "$1/tls.crt"
}
