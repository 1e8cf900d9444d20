/** What of the lab runs, for people. */
import { readFile } from 'node:fs/promises';
import { apiServerReady, getObject } from './api-request.ts';
import { processesIn } from './cgroups.ts';
import { isRunning } from './daemon.ts';
import { controlPlaneDaemons, controlPlaneSpec } from './lab-cluster.ts';
import { isNodeRunning } from './node.ts';
import { isReady } from './node-state.ts';
import { kubeconfigPath } from './paths.ts';
import { foreignLab, readLabState } from './registry.ts';
import { type ClusterSpec, describeTopology } from './topology.ts';

/** @returns lines of text, and whether all of the lab works. */
export async function describeLab(): Promise<{ readonly text: string; readonly healthy: boolean }> {
  const state = await readLabState();
  switch (state.kind) {
    case 'none':
      return { text: 'The lab is down.\n', healthy: false };
    case 'dead':
      return {
        text: `The lab of ${state.record.checkout} is dead; "up" or "down" removes what is left of it.\n`,
        healthy: false,
      };
    case 'running': {
      if (!state.own) return { text: `${foreignLab(state.record).message}\n`, healthy: false };
      const topology = describeTopology(state.record.podNetworks, state.record.clusters);
      const clusters = await Promise.all(topology.clusters.map(describeCluster));
      const memory = await residentMemory(await processesIn());
      const head = `The lab runs since ${state.record.since}, pod networks ${topology.podNetworks}, ${memory} MiB resident\n`;
      return {
        text: head + clusters.map(cluster => cluster.text).join(''),
        healthy: clusters.every(cluster => cluster.healthy),
      };
    }
  }
}

async function describeCluster(cluster: ClusterSpec): Promise<{ text: string; healthy: boolean }> {
  const daemons = controlPlaneDaemons(cluster);
  const running = await Promise.all(daemons.map(isRunning));
  const dead = daemons.filter((_, index) => !running[index]).map(({ name }) => name);
  const ready = await apiServerReady(controlPlaneSpec(cluster));
  const nodes = await Promise.all(
    cluster.nodes.map(async node => {
      const ready = await isNodeReady(cluster, node.name);
      const word = (await isNodeRunning(node)) ? (ready ? 'ready' : 'running, not ready') : 'not running';
      return {
        text: `    ${node.name.padEnd(16)} ${node.address.padEnd(16)} ${word}\n`,
        healthy: word === 'ready',
      };
    }),
  );
  const plane = dead.length > 0 ? `not running: ${dead.join(', ')}` : ready ? 'ready' : 'not ready';
  return {
    text: `  ${cluster.name.padEnd(18)} ${cluster.address.padEnd(16)} ${plane.padEnd(10)} ${kubeconfigPath(cluster.name)}\n${nodes.map(node => node.text).join('')}`,
    healthy: plane === 'ready' && nodes.every(node => node.healthy),
  };
}

async function isNodeReady(cluster: ClusterSpec, name: string): Promise<boolean> {
  return isReady(await getObject(controlPlaneSpec(cluster), `/api/v1/nodes/${name}`), undefined);
}

/** Resident memory of processes together, in MiB, each page counted once a process. */
async function residentMemory(pids: readonly number[]): Promise<number> {
  let kib = 0;
  for (const pid of pids) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    kib += Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
  }
  return Math.round(kib / 1024);
}
