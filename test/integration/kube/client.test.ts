import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Registry } from 'prom-client';
import type { KubeObject } from '../../../api/meta.ts';
import {
  configMaps,
  events,
  namespaces,
  nodes,
  pods,
  roleBindings,
  roles,
  serviceAccounts,
  services,
} from '../../../api/resource.ts';
import { tokenAccess } from '../../../kube/access.ts';
import { KubeClient, KubeError } from '../../../kube/client.ts';
import { EventRecorder } from '../../../kube/events.ts';
import { Authority } from '../../../lab/certificates.ts';
import { useTestPlane } from './plane.ts';

describe('KubeClient on a real API server', () => {
  const plane = useTestPlane();
  let namespace: string;
  let directory: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nauti-client-'));
  });
  after(async () => {
    await rm(directory, { recursive: true, force: true });
  });
  beforeEach(async () => {
    namespace = await plane().namespace();
  });
  afterEach(() => plane().closeAll());

  const failure = async (promise: Promise<unknown>): Promise<KubeError> => {
    const error = await promise.then(
      () => expect.fail('it should have been refused'),
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(KubeError);
    return error as KubeError;
  };
  const configMap = (name: string, data: Record<string, string>): KubeObject => ({
    metadata: { namespace, name },
    data,
  });

  it('creates, reads, updates, patches and deletes', async () => {
    const { admin } = plane();
    const created = await admin.create(configMaps, configMap('a', { x: '1' }));
    expect((await failure(admin.create(configMaps, configMap('a', {})))).reason).to.equal('AlreadyExists');
    const updated = await admin.update(configMaps, { ...created, data: { x: '2' } });
    const conflict = await failure(admin.update(configMaps, { ...created, data: { x: '3' } }));
    expect([conflict.status, conflict.reason]).to.deep.equal([409, 'Conflict']);
    const reference = { namespace, name: 'a' };
    const patched = await admin.patch(configMaps, reference, {
      contentType: 'application/merge-patch+json',
      body: { data: { y: '1' } },
    });
    expect(patched.data).to.deep.equal({ x: '2', y: '1' });
    expect(updated.metadata.uid).to.equal(created.metadata.uid);
    expect((await admin.get(configMaps, reference))?.data).to.deep.equal({ x: '2', y: '1' });
    const wrong = admin.delete(configMaps, reference, { preconditions: { uid: 'another' } });
    expect((await failure(wrong)).status).to.equal(409);
    expect(await admin.delete(configMaps, reference, { propagationPolicy: 'Background' })).to.equal(true);
    expect(await admin.delete(configMaps, reference)).to.equal(false);
    expect(await admin.get(configMaps, reference)).to.equal(undefined);
  });

  it('reads what has no namespace', async () => {
    expect((await plane().admin.get(namespaces, { name: namespace }))?.metadata.name).to.equal(namespace);
  });

  it('shares an object between field managers', async () => {
    const { admin } = plane();
    await admin.apply(configMaps, configMap('a', { x: 'one' }), { fieldManager: 'one' });
    await admin.apply(configMaps, configMap('a', { y: 'two' }), { fieldManager: 'two' });
    const conflict = await failure(
      admin.apply(configMaps, configMap('a', { x: 'two', y: 'two' }), { fieldManager: 'two' }),
    );
    expect([conflict.status, conflict.reason]).to.deep.equal([409, 'Conflict']);
    expect(conflict.message).to.contain('"one"');
    const forced = await admin.apply(configMaps, configMap('a', { x: 'two' }), {
      fieldManager: 'two',
      force: true,
    });
    expect(forced.data).to.deep.equal({ x: 'two' });
  });

  it('applies to a status subresource without touching the rest', async () => {
    const { admin } = plane();
    const service = { metadata: { namespace, name: 'a' }, spec: { ports: [{ port: 80 }] } };
    await admin.apply(services, service, { fieldManager: 'test' });
    const condition = {
      type: 'Seen',
      status: 'True',
      reason: 'Test',
      message: '',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
    const object = {
      metadata: { namespace, name: 'a' },
      spec: { ports: [{ port: 81 }] },
      status: { conditions: [condition] },
    };
    const after = await admin.apply(services, object, { fieldManager: 'status', subresource: 'status' });
    expect((after.status as { conditions: unknown[] }).conditions).to.deep.equal([condition]);
    expect((after.spec as { ports: { port: number }[] }).ports[0]?.port).to.equal(80);
  });

  it('tells which field of a refused object is wrong', async () => {
    const error = await failure(plane().admin.create(configMaps, configMap('Not_A_Name', {})));
    expect([error.status, error.reason]).to.deep.equal([422, 'Invalid']);
    expect(error.message).to.contain('metadata.name');
    expect(JSON.stringify(error.details)).to.contain('"field":"metadata.name"');
  });

  it('reads its token again when the server refuses it, and says so when it stays refused', async () => {
    const { admin, controlPlane } = plane();
    const tokenFile = join(directory, 'token');
    await writeFile(tokenFile, 'of-nobody');
    const metrics = new Registry();
    const client = new KubeClient(
      tokenAccess({ server: controlPlane.server, ca: controlPlane.ca, tokenFile }),
      {
        metrics,
      },
    );
    const reference = { namespace, name: 'a' };
    const refused = await failure(client.get(configMaps, reference));
    expect([refused.status, refused.reason]).to.deep.equal([401, 'Unauthorized']);

    await admin.create(configMaps, configMap('a', { x: '1' }));
    await admin.create(serviceAccounts, { metadata: { namespace, name: 'reader' } });
    const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }];
    await admin.create(roles, { metadata: { namespace, name: 'reader' }, rules });
    await admin.create(roleBindings, {
      metadata: { namespace, name: 'reader' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
      subjects: [{ kind: 'ServiceAccount', namespace, name: 'reader' }],
    });
    const request = (await admin.request({
      method: 'POST',
      path: `/api/v1/namespaces/${namespace}/serviceaccounts/reader/token`,
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { expirationSeconds: 600 },
      },
    })) as { status: { token: string } };
    await writeFile(tokenFile, `${request.status.token}\n`);
    expect((await client.get(configMaps, reference))?.data).to.deep.equal({ x: '1' });
    const forbidden = await failure(client.get(pods, reference));
    expect([forbidden.status, forbidden.reason]).to.deep.equal([403, 'Forbidden']);
    const text = await metrics.metrics();
    for (const [code, count] of [
      [401, 1],
      [200, 1],
      [403, 1],
    ]) {
      expect(text).to.contain(`nauti_kube_requests_total{verb="GET",code="${code}"} ${count}`);
    }
    client.close();
  });

  it('does not speak to a server whose certificate it cannot verify, until its CA file is right', async () => {
    const { admin, controlPlane } = plane();
    const caFile = join(directory, 'ca.crt');
    // A certificate, but not that of the server's authority.
    const foreign = await Authority.open(join(directory, 'foreign'), 'foreign');
    await copyFile(foreign.certificate, caFile);
    const client = new KubeClient(tokenAccess({ server: controlPlane.server, caFile, token: () => 'x' }));
    const error = await failure(client.get(configMaps, { namespace, name: 'a' }));
    expect([error.status, error.reason]).to.deep.equal([0, 'Unreachable']);
    expect(error.message).to.match(/certificate/);
    client.close();
    await writeFile(caFile, controlPlane.ca);
    const right = new KubeClient(tokenAccess({ server: controlPlane.server, caFile, token: () => 'x' }));
    expect((await failure(right.get(configMaps, { namespace, name: 'a' }))).status).to.equal(401);
    right.close();
    expect(await admin.get(nodes, { name: 'none' })).to.equal(undefined);
  });

  it('records an event once, and counts its repetitions', async () => {
    const recorder = new EventRecorder({
      client: plane().admin,
      controller: 'nauti.io/test',
      instance: 'test-0',
      repeatMs: 0,
    });
    const regarding = { apiVersion: 'v1', kind: 'ConfigMap', namespace, name: 'a' };
    const fields = {
      regarding,
      type: 'Warning',
      reason: 'Refused',
      action: 'Read',
      note: 'é'.repeat(2_000),
    } as const;
    for (let n = 0; n < 3; n++) {
      recorder.record(fields);
      await recorder.flush();
    }
    recorder.record({ ...fields, note: 'another' });
    recorder.record({ ...fields, regarding: { apiVersion: 'v1', kind: 'Node', name: 'n' } });
    await recorder.flush();
    const written: KubeObject[] = [];
    for await (const { items } of plane().admin.listPages(events, { namespace })) written.push(...items);
    const counts = written.map(event => (event.series as { count: number } | undefined)?.count);
    expect(counts).to.have.members([3, undefined]);
    const [series] = written.filter(event => event.series);
    expect(series).to.deep.include({
      type: 'Warning',
      reason: 'Refused',
      action: 'Read',
      reportingController: 'nauti.io/test',
      reportingInstance: 'test-0',
      regarding,
    });
    expect(Buffer.byteLength(series?.note as string)).to.be.within(1_020, 1_024);
    const ofNode: KubeObject[] = [];
    for await (const { items } of plane().admin.listPages(events, { namespace: 'default' }))
      ofNode.push(...items);
    expect(ofNode.map(event => (event.regarding as { kind: string }).kind)).to.include('Node');
  });
});
