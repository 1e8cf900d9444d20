/** 250 clusters on a device of wireguard-go, in the network namespace that this is started in. See tunnel.ts. */
import { Registry } from 'prom-client';
import type { Peer } from '../../../api/peer.ts';
import { acceptPeers } from '../../../octopus/accepted-peers.ts';
import { DataPath } from '../../../octopus/data-path.ts';
import { formatTarget } from '../../../octopus/host-port.ts';
import { generateKeyPair } from '../../../octopus/key.ts';
import { gatewayMetrics } from '../../../octopus/metrics.ts';
import { planDevice } from '../../../octopus/plan.ts';
import { hubPeer, keyOf, peer } from '../../../octopus/testing/peers.ts';
import { linksOf } from '../../../octopus/topology.ts';
import { silentLogger } from '../../../process/log.ts';

const clusters = 250;
const signal = AbortSignal.timeout(60_000);
const { privateKey } = generateKeyPair();

const metrics = gatewayMetrics(new Registry(), () => ({
  links: new Map(),
  peers: new Map(),
  refused: 0,
  implementation: undefined,
}));
const names = { device: 'ocbench', clusterDevice: 'none' };
const dataPath = new DataPath({
  ...names,
  underlayDevice: 'lo',
  wireguard: 'wireguard-go',
  log: silentLogger(),
  metrics,
});

function peersWith(edit: (index: number) => string): Peer[] {
  const members = Array.from({ length: clusters }, (_, index) =>
    peer(`c${index}`, { cidr: `10.${112 + (index >> 4)}.${(index & 15) << 4}.0/20`, endpoint: edit(index) }),
  );
  return [hubPeer(), ...members, peer('self', { cidr: '10.127.240.0/20', key: keyOf('self') })];
}

async function once(
  peers: readonly Peer[],
): Promise<{ readonly plan: number; readonly all: number; readonly changed: boolean }> {
  const startedAt = performance.now();
  const acceptance = acceptPeers(peers, { self: 'self', maxPeers: 512 });
  const links = linksOf('self', acceptance, 'full');
  const plan = planDevice({
    local: {
      ...{ id: 'self', ...names, listenPort: 31_820, probePort: 31_821, underlayMtu: 1_500 },
      ...{ keepalive: 10, relay: true, managesClusterAddress: false },
    },
    acceptance,
    links,
    relayed: new Set(),
    changedKeys: new Map(),
    dialled: new Map(
      links.flatMap(({ site, dial }) => (dial ? [[site.id, formatTarget(dial)] as const] : [])),
    ),
  });
  const planned = performance.now() - startedAt;
  const state = await dataPath.read(signal);
  const { hasChanged: changed } = await dataPath.apply(plan, state, {
    privateKey,
    dead: new Set(),
    stale: new Set(),
    signal,
  });
  return { plan: planned, all: performance.now() - startedAt, changed };
}

await dataPath.open(signal);
try {
  const plain = peersWith(index => `203.0.${index}.1`);
  const oneMoved = peersWith(index => `203.0.${index}.${index === 7 ? 2 : 1}`);
  const rows: [string, Awaited<ReturnType<typeof once>>][] = [];
  rows.push(['everything is new', await once(plain)]);
  rows.push(['nothing differs', await once(plain)]);
  rows.push(['one cluster has another endpoint', await once(oneMoved)]);
  process.stdout.write(
    `\n| ${clusters} clusters | plan, ms | plan, read, apply, ms | changed something |\n|---|---|---|---|\n`,
  );
  for (const [what, { plan, all, changed }] of rows) {
    process.stdout.write(`| ${what} | ${plan.toFixed(1)} | ${all.toFixed(0)} | ${changed} |\n`);
  }
} finally {
  await dataPath.close();
}
