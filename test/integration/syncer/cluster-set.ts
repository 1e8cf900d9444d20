/** A hub and two member clusters, real API servers all three, joined by real tokens under the hub's real admission. */
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../../api/meta.ts';
import { componentNamespace, shareNamespace } from '../../../api/names.ts';
import { namespaces, type Resource } from '../../../api/resource.ts';
import { createJoinToken } from '../../../hub/join-token.ts';
import { kubeconfigAccess } from '../../../kube/access.ts';
import { KubeClient } from '../../../kube/client.ts';
import { type ControlPlane, startControlPlane } from '../../../lab/control-plane.ts';
import { createLogger } from '../../../process/log.ts';
import { readOptions } from '../../../process/options.ts';
import { Probes } from '../../../process/probes.ts';
import { syncer } from '../../../syncer/main.ts';
import { installCrds } from '../install-crds.ts';

export interface TestCluster {
  readonly plane: ControlPlane;
  /** As an administrator. */
  readonly client: KubeClient;
}

export interface Member extends TestCluster {
  readonly id: string;
  /** Holds a join token. */
  readonly tokenFile: string;
}

export interface ClusterSet {
  readonly hub: TestCluster;
  readonly cluster1: Member;
  /** The only one with a controller manager: namespaces and owned objects really go away there. */
  readonly cluster2: Member;
  readonly directory: string;
  stop(): Promise<void>;
}

const url = (path: string) => new URL(`../../../${path}`, import.meta.url);

let shared: Promise<ClusterSet> | undefined;

/** The one of all files of this folder; it ends with the run. */
export function sharedClusterSet(): Promise<ClusterSet> {
  shared ??= startClusterSet();
  return shared;
}

after(async () => (await shared)?.stop());

async function startClusterSet(): Promise<ClusterSet> {
  const directory = await mkdtemp(join(tmpdir(), 'nauti-syncer-'));
  const started: TestCluster[] = [];
  const start = async (name: string, controllerManager = false): Promise<TestCluster> => {
    const plane = await startControlPlane({ directory: join(directory, name), controllerManager });
    const client = new KubeClient(await kubeconfigAccess(plane.kubeconfig));
    const cluster = { plane, client };
    started.push(cluster);
    await installCrds(client);
    for (const namespace of [shareNamespace, componentNamespace]) {
      await client.create(namespaces, { metadata: { name: namespace } });
    }
    return cluster;
  };
  const stop = async () => {
    await Promise.all(
      started.map(async ({ plane, client }) => {
        client.close();
        await plane.stop();
      }),
    );
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const [hub, one, two] = await Promise.all([start('hub'), start('cluster1'), start('cluster2', true)]);
    for (const file of ['member-role.yaml', 'admission.yaml'])
      await applyFile(hub.client, `hub/manifests/${file}`);
    const cluster1 = await joinable(hub, one, 'cluster1', directory);
    const cluster2 = await joinable(hub, two, 'cluster2', directory);
    return { hub, cluster1, cluster2, directory, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A new token for a cluster under an id. */
export async function joinable(
  hub: TestCluster,
  cluster: TestCluster,
  id: string,
  directory: string,
): Promise<Member> {
  const token = await createJoinToken({
    client: hub.client,
    place: { id, namespace: shareNamespace },
    ttlMs: 900_000,
    url: hub.plane.server,
    ca: hub.plane.ca,
    signal: AbortSignal.timeout(60_000),
  });
  await mkdir(join(directory, 'tokens'), { recursive: true });
  const tokenFile = join(directory, 'tokens', `${id}-${process.hrtime.bigint()}`);
  await writeFile(tokenFile, token.text, { mode: 0o600 });
  return { ...cluster, id, tokenFile };
}

async function applyFile(client: KubeClient, path: string): Promise<void> {
  for (const document of parseAllDocuments(readFileSync(url(path), 'utf8'))) {
    const object = document.toJS() as KubeObject;
    await client.apply(resourceOf(object), object, { fieldManager: 'test', force: true });
  }
}

/** Only for kinds whose plural is made by adding an s, or ies for a y. */
function resourceOf({ apiVersion = '', kind = '' }: KubeObject): Resource {
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
  const plural = kind.toLowerCase().replace(/y$/, 'ie').concat('s');
  const namespaced = !kind.startsWith('ValidatingAdmissionPolicy');
  return { group: group ?? '', version: version ?? '', kind, plural, namespaced };
}

export interface RunningSyncer {
  readonly metrics: Registry;
  readonly probes: Probes;
  /** As SIGTERM does. @throws what the syncer failed with. */
  stop(): Promise<void>;
}

/** A syncer of a member, in this process. */
export function startSyncer(member: Member, flags: Readonly<Record<string, string>> = {}): RunningSyncer {
  const given = {
    'cluster-id': member.id,
    kubeconfig: member.plane.kubeconfig,
    'bootstrap-token-file': member.tokenFile,
    identity: `${member.id}-${process.hrtime.bigint()}`,
    ...flags,
  };
  const texts = Object.fromEntries(Object.entries(given).map(([flag, text]) => [flag, [text]]));
  const controller = new AbortController();
  const context = {
    log: createLogger(`syncer ${member.id}`, process.env.NAUTI_TEST_LOG === '1' ? 'debug' : 'fatal'),
    signal: controller.signal,
    probes: new Probes(),
    probesPort: undefined,
    metrics: new Registry(),
  };
  const running = syncer.run(readOptions(syncer.options, texts, {}), context);
  // Where nobody waits for it yet, its failure shows when the test stops it.
  running.catch(() => undefined);
  return {
    metrics: context.metrics,
    probes: context.probes,
    async stop() {
      controller.abort(new Error('the test stops the syncer'));
      await running;
    },
  };
}
