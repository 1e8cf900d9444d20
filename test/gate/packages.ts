/** Installs the Debian packages that the tests need besides those of the lab, where they are missing. */
import { ensurePackages } from '../../lab/packages.ts';

const packages = [
  // ovsdb-server with the schemas of Open vSwitch and OVN, and ovn-northd.
  'openvswitch-switch',
  'ovn-central',
  // dig, as a client that others wrote.
  'bind9-dnsutils',
  'redis-server',
  // Tunnels, and what tries them.
  'wireguard-tools',
  'wireguard-go',
  'iputils-ping',
];

await ensurePackages(packages, { onProgress: text => void process.stdout.write(`${text}\n`) });
