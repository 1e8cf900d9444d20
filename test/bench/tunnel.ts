/**
 * What the tunnels cost, in one run: TCP and round trips over plain veths, over wireguard-go alone between the same two
 * places, and from pod to pod by our gateways; then the time that a plan of 250 clusters takes to be so.
 *
 *   node test/bench/tunnel.ts [seconds]
 *
 * Between gateway and pods is a veth here, where a cluster has an OVN switch.
 */
import { fileURLToPath } from 'node:url';
import { run } from '../../lab/command.ts';
import { until } from '../../lab/until.ts';
import { World } from '../integration/octopus/world.ts';

const seconds = Number(process.argv[2] ?? 4);

const world = await World.start('ocb', [
  { id: 'hub', address: '198.51.100.1' },
  { id: 'm1', address: '198.51.100.2', block: '10.113.0.0/16' },
  { id: 'm2', address: '198.51.100.3', block: '10.114.0.0/16' },
]);

const receive = (port: number) =>
  `let n = 0, first; require('net').createServer(s => { s.on('data', d => { first ??= performance.now(); n += d.length; });
   s.on('close', () => { console.log(n * 8 / (performance.now() - first) / 1000); process.exit(0); }); }).listen(${port})`;
const send = (host: string, port: number) =>
  `const b = Buffer.alloc(65536), end = performance.now() + ${seconds * 1000};
   const go = () => { const s = require('net').connect(${port}, '${host}', () => { const w = () => { while (performance.now() < end) if (!s.write(b)) return s.once('drain', w); s.destroy(); }; w(); }).on('error', () => setTimeout(go, 50)); }; go()`;

interface Way {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly address: string;
}

async function measure({ name, from, to, address }: Way): Promise<void> {
  const { network } = world;
  const server = network.exec(to, process.execPath, ['-e', receive(9_500)]);
  await network.exec(from, process.execPath, ['-e', send(address, 9_500)]);
  const rate = Number(await server);
  const pings = await network.exec(from, 'ping', ['-n', '-q', '-c', '300', '-i', '0.01', address]);
  const [, min, average, max] = /= ([\d.]+)\/([\d.]+)\/([\d.]+)/.exec(pings) ?? [];
  process.stdout.write(`| ${name} | ${rate.toFixed(0)} | ${min} | ${average} | ${max} |\n`);
}

/** A tunnel between the two gateways' places, made by hand. */
async function wireguardAlone(): Promise<void> {
  const sides = [
    { part: 'gw-m1', own: '10.200.0.1', other: '10.200.0.2', at: '198.51.100.3' },
    { part: 'gw-m2', own: '10.200.0.2', other: '10.200.0.1', at: '198.51.100.2' },
  ];
  const keys = await Promise.all(
    sides.map(async () => {
      const secret = (await run('wg', ['genkey'])).trim();
      return { secret, public: (await run('wg', ['pubkey'], { input: `${secret}\n` })).trim() };
    }),
  );
  for (const [index, { part, own, other, at }] of sides.entries()) {
    const conf = `[Interface]\\nPrivateKey = ${keys[index]?.secret}\\nListenPort = 31900\\n[Peer]\\nPublicKey = ${keys[1 - index]?.public}\\nAllowedIPs = ${other}/32\\nEndpoint = ${at}:31900\\n`;
    const name = `bench${index}`;
    const script = `wireguard-go ${name} >/dev/null 2>&1; printf '${conf}' | wg setconf ${name} /dev/stdin; ip address add ${own}/24 dev ${name}; ip link set ${name} mtu 1420 up`;
    await world.network.exec(part, 'sh', ['-c', script]);
  }
}

try {
  await world.gateway('hub', ['--endpoint', '198.51.100.1', '--wireguard', 'wireguard-go']);
  await world.gateway('m1', ['--endpoint', '198.51.100.2', '--wireguard', 'wireguard-go']);
  await world.gateway('m2', ['--endpoint', '198.51.100.3', '--wireguard', 'wireguard-go']);
  await world.reaches('m1', '10.114.0.5');
  await until(
    async () =>
      (await world.peer('m1')).status.tunnels.some(
        ({ cluster_id, path }) => cluster_id === 'm2' && path === 'Direct',
      ),
    {
      what: 'the direct path',
      timeout: 20_000,
    },
  );
  await wireguardAlone();
  process.stdout.write(
    '| way | TCP, Mbit/s | round trip, ms: least | average | longest |\n|---|---|---|---|---|\n',
  );
  await measure({ name: 'plain veths', from: 'gw-m1', to: 'gw-m2', address: '198.51.100.3' });
  await measure({ name: 'wireguard-go alone', from: 'gw-m1', to: 'gw-m2', address: '10.200.0.2' });
  await measure({ name: 'pod to pod by our gateways', from: 'pod-m1', to: 'pod-m2', address: '10.114.0.5' });
  const apply = fileURLToPath(new URL('tunnel/apply.ts', import.meta.url));
  const script = 'mount -t tmpfs tmpfs /run && exec "$0" "$1"';
  process.stdout.write(await world.network.exec('wire', 'sh', ['-c', script, process.execPath, apply]));
} finally {
  for (const [index, part] of ['gw-m1', 'gw-m2'].entries()) {
    await world.network.exec(part, 'ip', ['link', 'delete', `bench${index}`]).catch(() => undefined);
  }
  await world[Symbol.asyncDispose]();
}
