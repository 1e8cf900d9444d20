/**
 * For how long packets stop when something of the tunnels breaks: by a ping each 10 ms and by one TCP stream from a pod
 * behind a NAT, with the defaults of the product (probes each second).
 *
 *   node test/bench/tunnel-outages.ts
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../lab/until.ts';
import { Stream } from '../integration/octopus/stream.ts';
import { World } from '../integration/octopus/world.ts';

const world = await World.start('oco', [
  { id: 'hub', address: '198.51.100.1' },
  { id: 'm1', address: '198.51.100.2', block: '10.113.0.0/16' },
  { id: 'm1b', address: '198.51.100.3', block: '10.113.0.0/16', standbyOf: 'm1' },
  { id: 'm2', address: '192.168.2.2', nat: 'cone', block: '10.114.0.0/16' },
  { id: 'm3', address: '192.168.3.2', nat: 'symmetric', block: '10.115.0.0/16' },
]);
const { network } = world;
const hub = ['--endpoint', '198.51.100.1'];
const candidate = ['--public', 'true', '--cluster-address', 'manage', '--key-rotation', '0'];

/** Nothing where the device is not there yet. */
const allowed = (id: string) => world.wg(id, ['show', 'wg0', 'allowed-ips']).catch(() => '');
const carries = (id: string, block: string, wanted = true) =>
  until(async () => (await allowed(id)).includes(block) === wanted, {
    what: `${id} ${wanted ? '' : 'not '}sending to ${block} directly`,
    timeout: 30_000,
    detail: () => world.logs(),
  });

async function measure(what: string, to: 'm1' | 'm3', work: () => Promise<unknown>): Promise<void> {
  const target = to === 'm1' ? '10.113.0.5' : '10.115.0.5';
  const stream = new Stream(network, 'pod-m2', `pod-${to}`, target);
  const pings = network.ping('pod-m2', target);
  const flows = async (more: number) => {
    const [answered, count] = [pings.answered, stream.count];
    await until(() => pings.answered > answered + more && stream.count > count + more / 2, {
      what: `packets after: ${what}`,
      timeout: 60_000,
      interval: 20,
    });
  };
  try {
    await flows(50);
    await work();
    await flows(100);
  } finally {
    stream.end();
    await pings.end();
  }
  const { sent, lost, longestMs } = await pings.end();
  const tcp = stream.isClosed ? 'ended' : `${stream.longestMs}`;
  process.stdout.write(`| ${what} | ${sent} | ${lost} | ${longestMs} | ${tcp} |\n`);
}

try {
  await network.exec('gw-m1', 'ip', ['address', 'flush', 'dev', 'eth-ovn']);
  await world.gateway('hub', hub);
  await world.gateway('m1', candidate);
  await world.gateway('m2', ['--key-rotation', '0']);
  await world.gateway('m3', ['--key-rotation', '0']);
  await world.reaches('m2', '10.113.0.5', 60_000);
  await world.reaches('m2', '10.115.0.5', 60_000);
  await carries('m1', '10.114.0.0/16');
  await carries('m2', '10.113.0.0/16');
  process.stdout.write('| what | pings | lost | longest, ms | TCP stalls, ms |\n|---|---|---|---|---|\n');
  await measure('nothing', 'm1', () => sleep(3_000));
  await measure('direct link cut: the hub path takes over', 'm1', async () => {
    await network.cut('198.51.100.2', '198.51.100.103', true);
    await carries('m2', '10.113.0.0/16', false);
  });
  await measure('link restored: direct again', 'm1', async () => {
    await network.cut('198.51.100.2', '198.51.100.103', false);
    await carries('m2', '10.113.0.0/16');
  });
  await measure("hub's gateway killed, and started again at once", 'm3', async () => {
    await world.running('hub').kill();
    await world.gateway('hub', hub);
  });
  await measure('address of a public gateway changed', 'm1', async () => {
    await network.exec('gw-m1', 'ip', ['address', 'del', '198.51.100.2/24', 'dev', 'eth0']);
    await network.exec('gw-m1', 'ip', ['address', 'add', '198.51.100.9/24', 'dev', 'eth0']);
    await network.exec('gw-m1', 'ip', ['route', 'replace', 'default', 'via', '198.51.100.254']);
  });
  await measure('API of the hub and of the clusters away for 5 s', 'm1', async () => {
    for (const id of ['hub', 'm1', 'm2', 'm3']) world.setApi(id, false);
    await sleep(5_000);
    for (const id of ['hub', 'm1', 'm2', 'm3']) world.setApi(id, true);
  });
  await carries('m2', '10.113.0.0/16');
  await world.running('m2').stop();
  await world.gateway('m2', ['--key-rotation', '8s']);
  await carries('m2', '10.113.0.0/16');
  await carries('m1', '10.114.0.0/16');
  const key = async () => (await world.peer('m2')).spec.public_key;
  const before = await key();
  await measure('key changed', 'm1', () =>
    until(async () => (await key()) !== before, { what: 'a new key', timeout: 30_000 }),
  );
  await world.running('m2').stop();
  await world.gateway('m2', ['--key-rotation', '0']);
  await carries('m2', '10.113.0.0/16');
  const standby = await world.gateway('m1b', candidate);
  await until(() => standby.isReady(network), { what: 'a standby', timeout: 20_000 });
  await measure('active one of two gateways killed', 'm1', () => world.running('m1').kill());
  const again = await world.gateway('m1', candidate);
  await until(() => again.isReady(network), { what: 'a standby', timeout: 20_000 });
  await carries('m2', '10.113.0.0/16');
  await measure('active one of two gateways stopped', 'm1', () => world.running('m1b').stop());
} finally {
  await world[Symbol.asyncDispose]();
}
