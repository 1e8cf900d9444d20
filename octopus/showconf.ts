/** What the tunnels of a cluster are, as a configuration that `wg setconf` takes but for the private key. Pure. */

import type { Acceptance, Granularity } from './accepted-peers.ts';
import { peerSection } from './device-diff.ts';
import { formatTarget } from './host-port.ts';
import { type DevicePlan, type LocalFacts, planDevice } from './plan.ts';
import { linksOf } from './topology.ts';

/** The plan of a cluster as it can be known from the hub: names are left as they are. */
export function planFromHub(
  id: string,
  acceptance: Acceptance,
  granularity: Granularity,
  local: Omit<LocalFacts, 'id'>,
): DevicePlan {
  const links = linksOf(id, acceptance, granularity);
  const dialled = new Map(
    links.flatMap(({ site, dial }) => (dial === undefined ? [] : [[site.id, formatTarget(dial)] as const])),
  );
  return planDevice({
    local: { ...local, id },
    acceptance,
    links,
    relayed: new Set(),
    changedKeys: new Map(),
    dialled,
  });
}

export function renderConf(plan: DevicePlan): string {
  const head = [
    '[Interface]',
    `ListenPort = ${plan.listenPort}`,
    '# PrivateKey is in the Secret of the gateway',
    '',
  ];
  const peers = plan.peers.map(peer => `# ${peer.id}\n${peerSection(peer)}`);
  return `${[...head, ...peers].join('\n').trimEnd()}\n`;
}
