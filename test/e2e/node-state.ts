import { runInNode } from '../../lab/lab.ts';

/** What no pod has, by name, and what a part of ours would leave: listed by `state`, one a line. */
const listed: Readonly<Record<string, string>> = {
  // NICs of pods come and go.
  devices: "ip -o link | cut -d: -f2 | cut -d@ -f1 | tr -d ' ' | grep -v '^veth'",
  'devices’ flags': 'for device in eth0 eth1; do echo $device $(cat /sys/class/net/$device/flags); done',
  // Without the number of the node.
  addresses: "ip -o addr show scope global | awk '!/ veth/ { print $2, $3, $4 }' | sed 's/[0-9]*[/]/N\\//'",
  routes: "ip route show | awk '!/ dev veth/ && /dev eth1/ { print $1, $2, $3 }'",
  rules: 'ip rule show',
  tables: 'nft list tables',
  files: 'find /etc /run /var/lib /var/log /opt /usr/local/bin /etc/cni/net.d -mindepth 1 -maxdepth 1',
};

/** What a node is beside its pods, without what differs from node to node: equal for two that have the same. */
export async function stateOfNode(node: string): Promise<Readonly<Record<string, readonly string[]>>> {
  const entries = Object.entries(listed).map(async ([what, command]) => {
    const text = await runInNode(node, ['sh', '-c', command]);
    return [
      what,
      text
        .split('\n')
        .filter(line => line !== '')
        .sort(),
    ] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}
