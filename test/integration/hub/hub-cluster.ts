import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { parseAllDocuments, stringify } from 'yaml';
import type { KubeObject } from '../../../api/meta.ts';
import { componentNamespace, shareNamespace } from '../../../api/names.ts';
import {
  apiVersion,
  leases,
  namespaces,
  type Resource,
  roleBindings,
  roles,
  serviceAccounts,
} from '../../../api/resource.ts';
import { createJoinToken, type JoinToken } from '../../../hub/join-token.ts';
import { hub } from '../../../hub/main.ts';
import { options as hubOptions } from '../../../hub/options.ts';
import { removeMember } from '../../../hub/removal.ts';
import { kubeconfigAccess } from '../../../kube/access.ts';
import { KubeClient, KubeError } from '../../../kube/client.ts';
import { type ControlPlane, startControlPlane } from '../../../lab/control-plane.ts';
import { until } from '../../../lab/until.ts';
import { type JoinOptions, joinHub } from '../../../membership/join.ts';
import type { Membership } from '../../../membership/membership.ts';
import { silentLogger } from '../../../process/log.ts';
import { readOptions } from '../../../process/options.ts';
import { Probes } from '../../../process/probes.ts';
import { installCrds } from '../install-crds.ts';

const policies: Resource = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicy',
  plural: 'validatingadmissionpolicies',
  namespaced: false,
};
const policyBindings: Resource = {
  ...policies,
  kind: 'ValidatingAdmissionPolicyBinding',
  plural: 'validatingadmissionpolicybindings',
};

const manifests = new URL('../../../hub/manifests/', import.meta.url);

/** A real API server with all that the chart installs on a hub, but for its pods. */
export class HubCluster implements AsyncDisposable {
  readonly plane: ControlPlane;
  /** A cluster administrator. */
  readonly admin: KubeClient;
  readonly directory: string;
  readonly #clients: KubeClient[] = [];

  private constructor(plane: ControlPlane, admin: KubeClient, directory: string) {
    this.plane = plane;
    this.admin = admin;
    this.directory = directory;
  }

  static async start(): Promise<HubCluster> {
    const directory = await mkdtemp(join(tmpdir(), 'nauti-hub-'));
    const plane = await startControlPlane({ directory });
    const admin = new KubeClient(await kubeconfigAccess(plane.kubeconfig));
    const cluster = new HubCluster(plane, admin, directory);
    await installCrds(admin);
    for (const name of [shareNamespace, componentNamespace]) {
      await admin.create(namespaces, { metadata: { name } });
    }
    await admin.create(serviceAccounts, { metadata: { namespace: componentNamespace, name: 'nauti-hub' } });
    await admin.create(leases, { metadata: { namespace: componentNamespace, name: 'nauti-hub' }, spec: {} });
    for (const object of await readManifests()) await admin.create(resourceOf(object), object);
    await cluster.#untilPoliciesHold();
    return cluster;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    this.admin.close();
    await this.plane.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Makes a join token as an administrator does. */
  async token(
    id: string,
    { ttlMs = 900_000, cidr }: { ttlMs?: number; cidr?: string } = {},
  ): Promise<JoinToken> {
    return await createJoinToken({
      client: this.admin,
      place: { namespace: shareNamespace, id },
      ttlMs,
      requestedCidr: cidr,
      url: this.plane.server,
      ca: this.plane.ca,
      signal: AbortSignal.timeout(60_000),
    });
  }

  /** What a member cluster does with a token; its own API is this same server, its Secret one of its own. */
  async join(
    id: string,
    bootstrapToken: string | undefined,
    more: Partial<JoinOptions> = {},
  ): Promise<Membership> {
    return await joinHub({
      local: this.admin,
      namespace: componentNamespace,
      secretName: `identity-of-${id}`,
      clusterId: id,
      bootstrapToken,
      log: silentLogger(),
      signal: AbortSignal.timeout(60_000),
      ...more,
    });
  }

  /** A cluster that has joined, and a client that acts as it. */
  async member(id: string, options: { cidr?: string } = {}): Promise<Member> {
    const membership = await this.join(id, (await this.token(id, options)).text);
    return { id, membership, client: this.client(membership.access) };
  }

  /** Closed with the cluster. */
  client(access: ConstructorParameters<typeof KubeClient>[0]): KubeClient {
    const client = new KubeClient(access);
    this.#clients.push(client);
    return client;
  }

  /** Runs the hub's component with the permissions that it has in its pod. */
  async runHub(flags: Readonly<Record<string, string>> = {}): Promise<RunningHub> {
    const stop = new AbortController();
    const metrics = new Registry();
    const probes = new Probes();
    const given = { kubeconfig: await this.#hubKubeconfig(), ...flags };
    const texts = Object.fromEntries(Object.entries(given).map(([flag, text]) => [flag, [text]]));
    const settings = readOptions(hubOptions, texts, {});
    const running = hub.run(settings, {
      log: silentLogger(),
      signal: stop.signal,
      probes,
      probesPort: undefined,
      metrics,
    });
    return {
      metrics,
      async [Symbol.asyncDispose]() {
        stop.abort();
        await running;
      },
    };
  }

  async #hubKubeconfig(): Promise<string> {
    const answer = await this.admin.request({
      method: 'POST',
      path: `/api/v1/namespaces/${componentNamespace}/serviceaccounts/nauti-hub/token`,
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} },
    });
    const { token } = (answer as { status: { token: string } }).status;
    const file = join(this.directory, 'hub.kubeconfig');
    const ca = Buffer.from(this.plane.ca).toString('base64');
    await writeFile(
      file,
      stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'hub',
        clusters: [{ name: 'hub', cluster: { server: this.plane.server, 'certificate-authority-data': ca } }],
        users: [{ name: 'hub', user: { token } }],
        contexts: [{ name: 'hub', context: { cluster: 'hub', user: 'hub' } }],
      }),
      { mode: 0o600 },
    );
    return file;
  }

  /** Lets the API server refuse what a field manager writes of leases, until the result is disposed of. */
  async refuseLeases(fieldManager: string): Promise<AsyncDisposable> {
    const { admin } = this;
    const name = `refuse-leases-of-${fieldManager}`;
    const rule = { apiGroups: ['coordination.k8s.io'], apiVersions: ['v1'], resources: ['leases'] };
    const expression = `request.options.?fieldManager.orValue('') == '${fieldManager}'`;
    await admin.create(policies, {
      metadata: { name },
      spec: {
        matchConstraints: { resourceRules: [{ ...rule, operations: ['CREATE', 'UPDATE'] }] },
        matchConditions: [{ name: 'theirs', expression }],
        validations: [{ expression: 'false', message: name }],
      },
    });
    await admin.create(policyBindings, {
      metadata: { name },
      spec: { policyName: name, validationActions: ['Deny'] },
    });
    const lease = { metadata: { namespace: shareNamespace, name }, spec: {} };
    const isRefused = () =>
      admin.apply(leases, lease, { fieldManager, force: true }).then(
        () => false,
        (error: Error) => error.message.includes(name),
      );
    const timeout = 60_000;
    await until(isRefused, { what: `${name} in force`, timeout });
    return {
      async [Symbol.asyncDispose]() {
        for (const resource of [policyBindings, policies]) await admin.delete(resource, { name });
        await until(async () => !(await isRefused()), { what: `the end of ${name}`, timeout });
        await admin.delete(leases, { namespace: shareNamespace, name });
      },
    };
  }

  /** The API server takes a new policy up within a second or so. */
  async #untilPoliciesHold(): Promise<void> {
    const probe = await this.member('probe');
    const lease = { metadata: { namespace: shareNamespace, name: 'not-probe' }, spec: {} };
    const slice = {
      metadata: {
        namespace: shareNamespace,
        name: 'probe-a-b',
        labels: { 'services.nauti.io/multi-cluster-cluster-ID': 'probe' },
      },
      addressType: 'IPv4',
      endpoints: [],
    };
    const bad: [string, unknown][] = [
      [`/apis/coordination.k8s.io/v1/namespaces/${shareNamespace}/leases`, lease],
      [`/apis/discovery.k8s.io/v1/namespaces/${shareNamespace}/endpointslices`, slice],
      [
        `/api/v1/namespaces/${shareNamespace}/serviceaccounts/member-probe/token`,
        {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenRequest',
          spec: { expirationSeconds: 700_000 },
        },
      ],
    ];
    for (const [path, body] of bad) {
      await until(
        async () => {
          try {
            await probe.client.request({ method: 'POST', path, query: { dryRun: 'All' }, body });
            return false;
          } catch (error) {
            return error instanceof KubeError && error.message.includes('ValidatingAdmissionPolicy');
          }
        },
        { what: `the policy on ${path} in force`, timeout: 60_000 },
      );
    }
    await this.admin.delete(leases, { namespace: shareNamespace, name: probe.id });
    await removeMember(this.admin, { namespace: shareNamespace, id: probe.id }, AbortSignal.timeout(60_000));
  }
}

export interface Member {
  readonly id: string;
  readonly membership: Membership;
  /** Acts as the cluster on the hub. */
  readonly client: KubeClient;
}

export interface RunningHub extends AsyncDisposable {
  readonly metrics: Registry;
}

/** The request must be refused; gives what the API server said. */
export async function refusalOf(request: Promise<unknown>): Promise<KubeError> {
  try {
    await request;
  } catch (error) {
    if (error instanceof KubeError) return error;
    throw error;
  }
  throw new Error('the API server accepted it');
}

async function readManifests(): Promise<KubeObject[]> {
  const files = ['member-role.yaml', 'hub-role.yaml', 'admission.yaml'];
  const texts = await Promise.all(files.map(file => readFile(new URL(file, manifests), 'utf8')));
  return texts.flatMap(text => parseAllDocuments(text).map(document => document.toJS() as KubeObject));
}

function resourceOf(object: KubeObject): Resource {
  const resource = [roles, roleBindings, policies, policyBindings].find(
    candidate => candidate.kind === object.kind && apiVersion(candidate) === object.apiVersion,
  );
  if (resource === undefined) throw new Error(`no resource for ${object.apiVersion} ${object.kind}`);
  return resource;
}
