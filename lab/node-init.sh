#!/bin/sh
# The init of a node: runs its three programs, starts again what ends, and reaps what they leave behind.
# usage: init.sh NAME
set -u
name=$1
export PATH=/opt/nauti-lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
unset XDG_CACHE_HOME XDG_RUNTIME_DIR XDG_CONFIG_HOME

supervise() {
  log=/var/log/$1.log
  while :; do
    "$@" >>"$log" 2>&1
    echo "lab: $1 ended with code $?, starting it again" >>"$log"
    sleep 1
  done
}

supervise containerd &
supervise kubelet --config=/etc/kubernetes/kubelet.yaml --kubeconfig=/etc/kubernetes/kubelet.kubeconfig \
  --hostname-override="$name" --node-ip="$(cat /etc/nauti-lab/address)" &
supervise kube-proxy --config=/etc/kubernetes/kube-proxy.yaml &
while :; do wait; done
