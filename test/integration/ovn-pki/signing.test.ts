import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  certificateSigningRequests,
  configMaps,
  namespaces,
  nodes,
  pods,
  type Resource,
  secrets,
  serviceAccounts,
} from '../../../api/resource.ts';
import { kubeconfigAccess, tokenAccess } from '../../../kube/access.ts';
import { KubeClient } from '../../../kube/client.ts';
import { type ControlPlane, startControlPlane } from '../../../lab/control-plane.ts';
import { until } from '../../../lab/until.ts';
import { AuthorityStore } from '../../../ovn-pki/authority-store.ts';
import { readCertificateFiles } from '../../../ovn-pki/certificate-directory.ts';
import { CertificateKeeper } from '../../../ovn-pki/certificate-keeper.ts';
import type { CertificateKind } from '../../../ovn-pki/certificate-kind.ts';
import type { Bundles } from '../../../ovn-pki/certificate-state.ts';
import { Signer } from '../../../ovn-pki/signer.ts';
import { silentLogger } from '../../../process/log.ts';

const namespace = 'nauti-system';
const hour = 3_600_000;
const log = silentLogger();

/** A real API server, which says who asks and from which node; nobody's answer is made up. */
describe('certificates by a real API server', function () {
  this.timeout(180_000);
  const stop = new AbortController();
  const { signal } = stop;
  let directory = '';
  let plane: ControlPlane;
  let admin: KubeClient;
  let store: AuthorityStore;
  let signer: Signer;
  let nodeOne: KubeClient;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nauti-pki-'));
    plane = await startControlPlane({ directory: join(directory, 'plane') });
    admin = new KubeClient(await kubeconfigAccess(plane.kubeconfig));
    await admin.create(namespaces, { metadata: { name: namespace } });
    for (const resource of [secrets, configMaps]) await make(resource, 'nauti-ovn-ca');
    await make(serviceAccounts, 'nauti-ovs');
    await admin.create(nodes, { metadata: { name: 'node-1' } });
    await make(pods, 'ovs', {
      spec: { nodeName: 'node-1', serviceAccountName: 'nauti-ovs', containers: [{ name: 'c', image: 'i' }] },
    });
    await allow('nauti-ovs');
    nodeOne = await clientOf('nauti-ovs', 'ovs');
    store = new AuthorityStore({
      client: admin,
      namespace,
      times: { authorityLifetime: 90 * 24 * hour, authorityOverlap: hour },
      log,
    });
    const accounts = { database: 'n/db', controller: 'n/ctl', chassis: `${namespace}/nauti-ovs` };
    signer = new Signer({
      client: admin,
      store,
      policy: { accounts },
      serverNames: [],
      lifetime: hour,
      keptMs: 0,
      log,
    });
  });

  after(async () => {
    stop.abort();
    nodeOne?.close();
    admin?.close();
    await plane?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const make = (resource: Resource, name: string, fields: object = {}) =>
    admin.create(resource, { metadata: { namespace, name }, ...fields });

  async function allow(account: string): Promise<void> {
    const group = 'rbac.authorization.k8s.io';
    const kind = (name: string, plural: string): Resource => ({
      group,
      version: 'v1',
      plural,
      kind: name,
      namespaced: false,
    });
    await admin.create(kind('ClusterRole', 'clusterroles'), {
      metadata: { name: 'asks' },
      rules: [
        {
          apiGroups: ['certificates.k8s.io'],
          resources: ['certificatesigningrequests'],
          verbs: ['create', 'get'],
        },
      ],
    });
    await admin.create(kind('ClusterRoleBinding', 'clusterrolebindings'), {
      metadata: { name: 'asks' },
      roleRef: { apiGroup: group, kind: 'ClusterRole', name: 'asks' },
      subjects: [{ kind: 'ServiceAccount', namespace, name: account }],
    });
  }

  /** Speaks to the API with a token of the account that is bound to a pod, and so to its node. */
  async function clientOf(account: string, pod: string): Promise<KubeClient> {
    const { uid } = (await admin.get(pods, { namespace, name: pod }))?.metadata ?? {};
    const answer = (await admin.request({
      method: 'POST',
      path: `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod, uid } },
      },
    })) as { status: { token: string } };
    return new KubeClient(
      tokenAccess({ server: plane.server, ca: plane.ca, token: () => answer.status.token }),
    );
  }

  async function bundles(): Promise<Bundles> {
    const map = await admin.get(configMaps, { namespace, name: 'nauti-ovn-ca' });
    const { 'control.crt': control = '', 'chassis.crt': chassis = '' } = (map?.data ?? {}) as Record<
      string,
      string
    >;
    return { control, chassis };
  }

  const unsettled = async () => {
    const names: string[] = [];
    for await (const { items } of admin.listPages(certificateSigningRequests))
      names.push(...items.map(({ metadata }) => metadata.name ?? ''));
    return names;
  };

  /** Asks, and lets the signer see what is there until there is an answer. */
  async function ask(
    client: KubeClient,
    kind: CertificateKind,
    commonName: string,
    place: string,
    more: { readonly now?: () => number } = {},
  ): Promise<number | Error> {
    const keeper = new CertificateKeeper({
      client,
      kind,
      commonName,
      directory: join(directory, place),
      log,
      ...more,
    });
    let answer: number | Error | undefined;
    const asked = keeper.keep(await bundles(), signal).then(
      rest => {
        answer = rest;
      },
      error => {
        answer = error as Error;
      },
    );
    await until(
      async () => {
        if (answer === undefined) for (const name of await waiting()) await signer.settle(name, signal);
        return answer !== undefined;
      },
      { what: 'an answer', timeout: 60_000, interval: 20 },
    );
    await asked;
    return answer ?? new Error('unreachable: it was waited for');
  }

  async function waiting(): Promise<string[]> {
    const found: string[] = [];
    for await (const { items } of admin.listPages(certificateSigningRequests)) {
      for (const { metadata, status } of items)
        if (Object.keys((status ?? {}) as object).length === 0) found.push(metadata.name ?? '');
    }
    return found;
  }

  const serialOf = async (place: string) => {
    const files = await readCertificateFiles(join(directory, place));
    return files && new X509Certificate(files.certificate).serialNumber;
  };

  it('begins with authorities of its own, and keeps them', async () => {
    await store.refresh(signal);
    const first = await bundles();
    expect(first.control).to.match(/^-----BEGIN CERTIFICATE-----/);
    expect(first.control).to.not.equal(first.chassis);
    await store.refresh(signal);
    expect(await bundles()).to.deep.equal(first);
    expect(JSON.stringify(await admin.get(configMaps, { namespace, name: 'nauti-ovn-ca' }))).to.not.contain(
      'PRIVATE',
    );
  });

  it('gives a node its own name, adopts it the next time, and takes the request away', async () => {
    expect(await ask(nodeOne, 'chassis', 'node-1', 'own')).to.be.a('number');
    const files = await readCertificateFiles(join(directory, 'own'));
    const certificate = new X509Certificate(files?.certificate ?? '');
    expect(certificate.subject).to.equal('CN=node-1');
    const serial = await serialOf('own');
    expect(await ask(nodeOne, 'chassis', 'node-1', 'own')).to.be.a('number');
    expect(await serialOf('own')).to.equal(serial);
    for (const name of await unsettled()) await signer.settle(name, signal);
    expect(await unsettled()).to.deep.equal([]);
  });

  it('is asked once, however long nobody signs, and answers then', async () => {
    const before = (await unsettled()).length;
    const keeper = new CertificateKeeper({
      client: nodeOne,
      kind: 'chassis',
      commonName: 'node-1',
      directory: join(directory, 'patient'),
      log,
      patienceMs: 200,
    });
    const keep = async () => keeper.keep(await bundles(), signal).catch(error => String(error));
    for (let tries = 0; tries < 3; tries++)
      expect(await keep()).to.contain('as it must be signed within 0.2 s: is nauti-ovn-pki running?');
    const [name = '', ...more] = await waiting();
    expect(more).to.deep.equal([]);
    expect(await unsettled()).to.have.length(before + 1);
    await signer.settle(name, signal);
    expect(await keep()).to.be.a('number');
    await signer.settle(name, signal);
    expect(await unsettled()).to.have.length(before);
  });

  it('is not asked without end by a node whose clock is far ahead', async () => {
    const ahead = { now: () => Date.now() + 2 * hour };
    for (let round = 0; round < 2; round++) {
      const rest = await ask(nodeOne, 'chassis', 'node-1', 'ahead', ahead);
      expect(rest).to.be.greaterThan(hour / 101);
    }
  });

  it('gives a node no other name and no other kind, and an administrator none at all', async () => {
    const cases = [
      [nodeOne, 'chassis', 'node-2', 'must be that of the node node-1: it is node-2'],
      [nodeOne, 'controller', 'node-1', 'only system:serviceaccount:n:ctl may ask for it'],
      [nodeOne, 'database', 'node-1', 'only system:serviceaccount:n:db may ask for it'],
      [admin, 'chassis', 'node-1', 'only system:serviceaccount:nauti-system:nauti-ovs may ask for it'],
    ] as const;
    for (const [client, kind, name, why] of cases) {
      expect(String(await ask(client, kind, name, `denied-${kind}`)), `${kind} ${name}`).to.contain(why);
      expect(await readCertificateFiles(join(directory, `denied-${kind}`))).to.equal(undefined);
    }
  });

  it('begins anew where an administrator empties the Secret, and nodes ask again', async () => {
    const before = { bundles: await bundles(), serial: await serialOf('own') };
    const body = [{ op: 'remove', path: '/data' }];
    await admin.patch(
      secrets,
      { namespace, name: 'nauti-ovn-ca' },
      { contentType: 'application/json-patch+json', body },
    );
    await store.refresh(signal);
    expect((await bundles()).chassis).to.not.equal(before.bundles.chassis);
    expect(await ask(nodeOne, 'chassis', 'node-1', 'own')).to.be.a('number');
    expect(await serialOf('own')).to.not.equal(before.serial);
  });

  it('replaces nothing that it cannot read', async () => {
    const data = { 'authorities.json': Buffer.from('{"control":{"current":{}}}').toString('base64') };
    const secret = await admin.get(secrets, { namespace, name: 'nauti-ovn-ca' });
    await admin.update(secrets, { metadata: { namespace, name: 'nauti-ovn-ca' }, data });
    const published = await bundles();
    const refusal = await store.refresh(signal).then(
      () => 'taken',
      error => String(error),
    );
    expect(refusal).to.contain(
      'Cannot read the authorities as the Secret nauti-ovn-ca must hold what was written there',
    );
    expect(await bundles()).to.deep.equal(published);
    await admin.update(secrets, { metadata: { namespace, name: 'nauti-ovn-ca' }, data: secret?.data });
  });
});
