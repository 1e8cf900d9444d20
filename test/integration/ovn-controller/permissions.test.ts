import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { KubeObject } from '../../../api/meta.ts';
import { podAnnotations } from '../../../api/names.ts';
import { nodes, pods, services } from '../../../api/resource.ts';
import { type KubeClient, KubeError } from '../../../kube/client.ts';
import { until } from '../../../lab/until.ts';
import { formatEndpoint } from '../../../ovsdb-client/endpoint.ts';
import { ControllerProcess } from './controller-process.ts';
import { clientOf, controllerAccount, installPermissions, kubeconfigOf } from './permissions.ts';
import { startWorld, type World } from './world.ts';

/** What nobody but the ovn-controller may say of a pod. */
const allocation = Object.values(podAnnotations).filter(name => name !== podAnnotations.ipAddress);

describe('the permissions of an ovn-controller', function () {
  this.timeout(180_000);
  let world: World;
  let controller: KubeClient;
  let namespace: string;

  before(async function () {
    this.timeout(180_000);
    world = await startWorld();
    await installPermissions(world);
    controller = await clientOf(world, controllerAccount);
  });
  after(async () => {
    controller?.close();
    await world[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    namespace = await world.namespace();
  });
  afterEach(() => world.deleteAllPods());

  async function refused(attempt: Promise<unknown>, annotation: string): Promise<void> {
    const error = await attempt.then(
      () => new Error('it was accepted'),
      (reason: unknown) => reason as Error,
    );
    expect(error.message).to.contain('only the ovn-controller may set').and.to.contain(annotation);
    expect(error).to.be.instanceOf(KubeError).and.to.have.property('status', 403);
  }

  const pathOf = (name: string, subresource = '') =>
    `/api/v1/namespaces/${namespace}/pods/${name}${subresource && `/${subresource}`}`;

  /** Ways by which an administrator, or somebody who may do less, writes annotations to a pod that exists. */
  const ways: Readonly<Record<string, (annotations: Record<string, string>) => Promise<unknown>>> = {
    'by a merge patch': annotations => world.annotate(namespace, 'a', annotations),
    'by a JSON patch': annotations =>
      world.admin.patch(pods, { namespace, name: 'a' }, {
        contentType: 'application/json-patch+json',
        body: [{ op: 'add', path: '/metadata/annotations', value: annotations }],
      } as never),
    'by server-side apply': annotations =>
      world.admin.apply(
        pods,
        { metadata: { namespace, name: 'a', annotations } },
        { fieldManager: 'nauti-ovn-controller', force: true },
      ),
    'by a status': annotations =>
      world.admin.patch(
        pods,
        { namespace, name: 'a' },
        {
          contentType: 'application/merge-patch+json',
          subresource: 'status',
          body: { metadata: { annotations } },
        },
      ),
    'by a Binding of the pod': annotations =>
      world.admin.request({ method: 'POST', path: pathOf('a', 'binding'), body: binding(annotations) }),
    'by a Binding': annotations =>
      world.admin.request({
        method: 'POST',
        path: `/api/v1/namespaces/${namespace}/bindings`,
        body: binding(annotations),
      }),
  };

  // The API server takes nothing but containers from these.
  for (const subresource of ['ephemeralcontainers', 'resize']) {
    it(`let nobody write an allocation by ${subresource}`, async () => {
      await world.createPod(namespace, 'a');
      await put(subresource, { 'nauti.io/allocated': 'true' }).catch(error =>
        expect(error).to.be.instanceOf(KubeError),
      );
      expect(await world.annotations(namespace, 'a')).to.deep.equal({});
    });
  }

  async function put(subresource: string, annotations: Record<string, string>): Promise<unknown> {
    const pod = (await world.admin.get(pods, { namespace, name: 'a' })) as KubeObject;
    const body = { ...pod, metadata: { ...pod.metadata, annotations } };
    return world.admin.request({ method: 'PUT', path: pathOf('a', subresource), body });
  }

  const binding = (annotations: Record<string, string>) => ({
    ...{ apiVersion: 'v1', kind: 'Binding', target: { kind: 'Node', name: 'node-1' } },
    metadata: { namespace, name: 'a', annotations },
  });

  for (const annotation of allocation) {
    it(`let nobody make a pod with ${annotation}`, async () => {
      const metadata = { annotations: { [annotation]: 'true', [podAnnotations.ipAddress]: '10.113.7.7' } };
      await refused(world.createPod(namespace, 'a', { metadata }), annotation);
    });
  }

  for (const [way, write] of Object.entries(ways)) {
    it(`let nobody write an allocation ${way}`, async () => {
      await world.createPod(namespace, 'a');
      for (const annotation of Object.values(podAnnotations))
        await refused(write({ [annotation]: 'true' }), annotation);
      expect(await world.annotations(namespace, 'a')).to.deep.equal({});
    });
  }

  it('let nobody change an allocation, and everybody who may write a pod remove it', async () => {
    await world.createPod(namespace, 'a');
    const given = { 'nauti.io/ip_address': '10.113.1.1', 'nauti.io/allocated': 'true' };
    await controller.apply(
      pods,
      { metadata: { namespace, name: 'a', annotations: given } },
      { fieldManager: 'nauti-ovn-controller', force: true },
    );
    await refused(
      world.annotate(namespace, 'a', { 'nauti.io/ip_address': '10.113.1.2' }),
      'nauti.io/ip_address',
    );
    await world.annotate(namespace, 'a', { 'example.org/other': 'x' });
    await world.setPhase(namespace, 'a', { phase: 'Running' });
    expect(await world.annotations(namespace, 'a')).to.include(given);
    await world.annotate(namespace, 'a', { 'nauti.io/ip_address': null, 'nauti.io/allocated': null });
    expect(await world.annotations(namespace, 'a')).to.deep.equal({ 'example.org/other': 'x' });
  });

  it('let everybody ask for an address when a pod is made, and a Binding place it', async () => {
    const metadata = { annotations: { 'nauti.io/ip_address': '10.113.7.7' } };
    await world.createPod(namespace, 'a', { metadata });
    await world.admin.request({ method: 'POST', path: pathOf('a', 'binding'), body: binding({}) });
    expect(await world.annotations(namespace, 'a')).to.deep.equal(metadata.annotations);
  });

  const harm: Readonly<Record<string, object>> = {
    'its labels': { metadata: { labels: { 'node-role.kubernetes.io/control-plane': '' } } },
    'its taints': { spec: { taints: null } },
    'the annotations of others': { metadata: { annotations: { 'example.org/other': 'y' } } },
    'annotations of others away': { metadata: { annotations: { 'example.org/other': null } } },
    'its finalizers': { metadata: { finalizers: ['example.org/stay'] } },
    'whether it is cordoned': { spec: { unschedulable: true } },
  };
  for (const [what, body] of Object.entries(harm)) {
    it(`do not let it change of a node ${what}`, async () => {
      const taints = [{ key: 'example.org/kept', effect: 'NoSchedule' }];
      const metadata = { name: 'harmed', annotations: { 'example.org/other': 'x' } };
      await world.admin.create(nodes, { metadata, spec: { taints } });
      try {
        const contentType = 'application/merge-patch+json';
        const error = await controller.patch(nodes, { name: 'harmed' }, { contentType, body }).then(
          () => new Error('it was accepted'),
          (reason: unknown) => reason as Error,
        );
        expect(error.message).to.contain('the ovn-controller may');
      } finally {
        await world.admin.delete(nodes, { name: 'harmed' });
      }
    });
  }

  it('are enough for all that it does, and it may do nothing more', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'nauti-permissions-'));
    const running = await ControllerProcess.start([
      ...['--kubeconfig', await kubeconfigOf(world, controllerAccount, directory)],
      ...['--ovn-nb', formatEndpoint(world.ovn.northbound.endpoint)],
      ...['--cidr', '10.113.0.0/16', '--global-cidr', '10.112.0.0/12'],
    ]);
    try {
      const isolated = await world.namespace({ 'nauti.io/isolate': 'true' });
      await world.admin.create(services, {
        metadata: { namespace: isolated, name: 's' },
        spec: { selector: { a: 'b' }, ports: [{ port: 80 }] },
      });
      await world.createPod(isolated, 'closed');
      await world.admin.create(nodes, { metadata: { name: 'node-1' } });
      await until(
        async () =>
          (await world.admin.get(nodes, { name: 'node-1' }))?.metadata.annotations?.['nauti.io/allocated'],
        { what: "the node's address", timeout: 60_000 },
      );
      await world.allocated(isolated, 'closed');
      const outside = { annotations: { 'nauti.io/ip_address': '10.99.0.1' } };
      await world.createPod(namespace, 'asking', { metadata: outside });
      await until(async () => (await world.refusalOf(namespace, 'asking')) === 'InvalidAddressRequest', {
        what: 'the condition',
        timeout: 60_000,
      });
      await until(async () => (await world.eventsOf('asking')).length > 0, {
        what: 'the event',
        timeout: 60_000,
      });
      await until(async () => (await running.metric('nauti_ovn_controller_isolated_pods')) === 1, {
        what: 'isolation',
        timeout: 60_000,
      });
      await running.kill('SIGTERM');
      expect(await running.ended()).to.equal(0);
      expect(running.log.split('\n').filter(line => /forbidden|"level":[456]0/.test(line))).to.deep.equal([]);
    } finally {
      await running.kill();
      await rm(directory, { recursive: true, force: true });
    }
    for (const [verb, resource] of [
      ['delete', 'pods'],
      ['create', 'pods'],
      ['get', 'secrets'],
      ['list', 'secrets'],
      ['patch', 'namespaces'],
      ['update', 'nodes'],
      ['delete', 'nodes'],
      ['patch', 'nodes/status'],
      ['update', 'services'],
    ]) {
      const review = await controller.request({
        method: 'POST',
        path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
        body: { spec: { resourceAttributes: { namespace, verb, resource } } },
      });
      expect(review, `${verb} ${resource}`).to.have.nested.property('status.allowed', false);
    }
  });
});
