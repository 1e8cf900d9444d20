#!/bin/sh
# The first process of a node, in namespaces of its own: makes the node's root file system out of the machine's programs
# and the node's own directory, moves into it, and becomes its init.
#
# usage: node-boot.sh NAME ROOT TOOLS
#   ROOT   the node's own directory: what is in it survives a reboot of the node
#   TOOLS  the lab's programs
set -eu
name=$1 root=$2 tools=$3

mount --make-rslave /
hostname "$name"
cd "$root"
mount --bind . .
cd "$root"
mkdir -p usr proc sys dev run tmp root etc var/log var/tmp var/lib var/cache opt/nauti-lab/bin opt/cni/bin mnt .machine
for link in bin sbin lib lib32 lib64; do
  if [ -L "/$link" ]; then cp -dn "/$link" .; elif [ -d "/$link" ]; then mkdir -p "$link" && mount --rbind "/$link" "$link"; fi
done
[ -L var/run ] || ln -s /run var/run
[ -L var/lock ] || ln -s /run/lock var/lock
# What programs of the machine need of its configuration. The rest of /etc is the node's own.
for entry in alternatives ca-certificates ethertypes group iproute2 ld.so.cache ld.so.conf ld.so.conf.d localtime \
  netconfig nsswitch.conf passwd protocols rpc services ssl; do
  if [ -e "/etc/$entry" ] && [ ! -e "etc/$entry" ]; then cp -a "/etc/$entry" etc/; fi
done

mount --rbind /usr usr
mount -o remount,bind,ro usr
mount --rbind /dev dev
mount -t tmpfs -o mode=1777 shm dev/shm
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mkdir -p run/lock run/netns
mount --bind /usr/lib/cni opt/cni/bin
for tool in "$tools"/*; do
  target=opt/nauti-lab/bin/${tool##*/}
  touch "$target"
  mount --bind "$(readlink -f "$tool")" "$target"
done

pivot_root . .machine
cd /
umount -l .machine
# Pods' volumes are mounted by containers (kubelet, CSI, NRI plugins) and must be seen by all of the node.
mount --make-rshared /
exec /bin/sh /etc/nauti-lab/init.sh "$name"
