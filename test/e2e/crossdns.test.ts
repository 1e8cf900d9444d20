import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { nodeNamespace } from '../../lab/network-plan.ts';
import { eventually } from './eventually.ts';
import { kubectl, readJson } from './kubectl.ts';
import { dropNamespace, freshNamespace } from './namespaces.ts';
import { deployNginx, exportService, readyAddresses } from './nginx.ts';
import { dig, startToolbox } from './toolbox.ts';

const namespace = 'e2e-crossdns';
/** Its own cluster's service: nothing but crossdns and its callers is under test. */
const service = { cluster: 'cluster2', namespace, name: 'web' } as const;
const name = `web.${namespace}.svc.hyperos.local`;
const components = 'nauti-system';
const deployment = 'deployment/nauti-crossdns';
/** The cluster's own DNS, which forwards the zone to both pods of crossdns behind their Service. */
const clusterDns = '10.96.0.10';
const probe = fileURLToPath(new URL('crossdns-probe.ts', import.meta.url));

interface Lookup {
  readonly took: number;
  /** What each try of it came to. */
  readonly tried: readonly string[];
}

/** Lookups at 100 a second over UDP and as many over TCP, from a node of cluster2. */
class Lookups {
  readonly #seen: Lookup[] = [];
  readonly #children = ['udp', 'tcp'].map(transport => {
    const inNode = [`--net=/run/netns/${nodeNamespace({ name: 'cluster2-node1' })}`, process.execPath];
    const child = spawn('nsenter', [...inNode, probe, clusterDns, name, '100', transport], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    createInterface({ input: child.stdout }).on('line', line => this.#seen.push(JSON.parse(line) as Lookup));
    return { child, ended: once(child, 'close') };
  });

  get count(): number {
    return this.#seen.length;
  }

  /** Waits for so many more. */
  async more(count: number): Promise<void> {
    const before = this.count;
    await eventually(
      `${count} lookups`,
      60_000,
      async () => this.count - before,
      seen => seen >= count,
    );
  }

  async end(): Promise<readonly Lookup[]> {
    for (const { child } of this.#children) child.kill('SIGTERM');
    await Promise.all(this.#children.map(({ ended }) => ended));
    return this.#seen;
  }
}

describe('crossdns behind the DNS of its cluster, at 200 lookups a second', function () {
  this.timeout(400_000);

  before(async () => {
    await freshNamespace(namespace, ['cluster2']);
    await deployNginx(service, 1);
    await exportService(service);
    const client = await startToolbox('cluster2', namespace);
    const expected = await readyAddresses(service);
    await eventually(
      `${name} in cluster2`,
      60_000,
      () => dig(client, name),
      ({ data }) => data.join() === expected.join(),
    );
  });

  after(() => dropNamespace(namespace, ['cluster2']));

  async function pods(): Promise<string[]> {
    const selector = 'app.kubernetes.io/component=crossdns';
    const { items } = (await readJson('cluster2', ['-n', components, 'pods', '-l', selector])) as {
      items: { metadata: { name: string; deletionTimestamp?: string } }[];
    };
    return items.filter(({ metadata }) => !metadata.deletionTimestamp).map(({ metadata }) => metadata.name);
  }

  const settled = () =>
    kubectl('cluster2', ['-n', components, 'rollout', 'status', deployment, '--timeout=120s']);

  async function during(fault: () => Promise<unknown>): Promise<void> {
    const lookups = new Lookups();
    await lookups.more(200);
    await fault();
    await settled();
    await lookups.more(400);
    const all = await lookups.end();
    const failed = all.filter(({ tried }) => tried.at(-1) !== 'answered');
    const again = all.filter(({ tried }) => tried.length > 1);
    const longest = Math.max(...all.map(({ took }) => took));
    process.stdout.write(
      `      ${all.length} lookups, ${failed.length} failed, ${again.length} at the second try, the longest took ${longest} ms\n`,
    );
    expect(failed).to.eql([]);
  }

  it('fails none while the Deployment is updated', async () => {
    const before = await pods();
    expect(before).to.have.length(2);
    await during(() => kubectl('cluster2', ['-n', components, 'rollout', 'restart', deployment]));
    for (const pod of await pods()) expect(before).not.to.include(pod);
  });

  it('fails none while one of two pods is killed', async () => {
    const [victim = ''] = await pods();
    await during(() =>
      kubectl('cluster2', ['-n', components, 'delete', 'pod', victim, '--force', '--grace-period=0']),
    );
    expect(await pods())
      .to.have.length(2)
      .and.not.include(victim);
  });
});
