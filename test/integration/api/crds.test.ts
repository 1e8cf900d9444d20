import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { KubeObject } from '../../../api/meta.ts';
import { apiVersion, type Resource, serviceExports, serviceImports } from '../../../api/resource.ts';
import { kubeconfigAccess } from '../../../kube/access.ts';
import { KubeClient, KubeError } from '../../../kube/client.ts';
import { type ControlPlane, startControlPlane } from '../../../lab/control-plane.ts';
import { installCrds } from '../install-crds.ts';
import { type Change, kinds } from './legal-objects.ts';

describe('CRDs on a real API server', () => {
  let directory: string;
  let plane: ControlPlane;
  let client: KubeClient;

  before(async function () {
    this.timeout(180_000);
    directory = await mkdtemp(join(tmpdir(), 'nauti-crds-'));
    plane = await startControlPlane({ directory });
    client = new KubeClient(await kubeconfigAccess(plane.kubeconfig));
    await installCrds(client);
  });

  after(async () => {
    client?.close();
    await plane?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  for (const kind of kinds) {
    describe(kind.resource.kind, () => {
      const created = (change: Change): KubeObject => {
        const object = kind.valid();
        change(object);
        return object;
      };

      it('is stored, read back by the parser, and keeps its status', async () => {
        const { status, ...rest } = kind.valid();
        const stored = await client.create(kind.resource, rest as KubeObject);
        expect(stored.spec).to.deep.equal(rest.spec);
        let read = stored;
        if (status !== undefined) {
          read = await client.update(kind.resource, { ...stored, status }, { subresource: 'status' });
          expect(read.status).to.deep.equal(status);
        }
        expect(() => kind.parse(read)).to.not.throw();
        await client.delete(kind.resource, { namespace: 'default', name: stored.metadata.name ?? '' });
      });

      for (const [what, change] of kind.alsoValid) {
        it(`is taken ${what}`, async () => {
          const stored = await dryRun(client, 'POST', kind.resource, created(change));
          expect(() => kind.parse(stored)).to.not.throw();
        });
      }

      for (const [what, change, says] of kind.invalid) {
        it(`is refused with ${what}`, async () => {
          const error = await refusalOf(dryRun(client, 'POST', kind.resource, created(change)));
          expect(error.status).to.be.oneOf([422, 400]);
          expect(error.message).to.match(says);
        });
      }

      for (const [what, change, says] of kind.invalidUpdates) {
        it(`is refused when changed to ${what}`, async () => {
          const stored = await client.create(kind.resource, kind.valid());
          try {
            const changed = structuredClone(stored);
            change(changed);
            const error = await refusalOf(dryRun(client, 'PUT', kind.resource, changed));
            expect(error.status).to.equal(422);
            expect(error.message).to.match(says);
          } finally {
            await client.delete(kind.resource, { namespace: 'default', name: stored.metadata.name ?? '' });
          }
        });
      }
    });
  }

  for (const resource of [serviceExports, serviceImports]) {
    it(`serves ${resource.kind} in v1alpha1 too`, async () => {
      const old = { ...resource, version: 'v1alpha1' };
      const object = kinds.find(kind => kind.resource === resource)?.valid() as KubeObject;
      await client.create(old, object);
      const reference = { namespace: 'default', name: object.metadata.name ?? '' };
      const now = await client.get(resource, reference);
      expect(now?.apiVersion).to.equal('multicluster.x-k8s.io/v1beta1');
      expect(now?.spec).to.deep.equal(object.spec);
      await client.delete(resource, reference);
    });
  }
});

async function dryRun(
  client: KubeClient,
  method: 'POST' | 'PUT',
  resource: Resource,
  object: KubeObject,
): Promise<KubeObject> {
  const collection = `/apis/${apiVersion(resource)}/namespaces/default/${resource.plural}`;
  return (await client.request({
    method,
    path: method === 'POST' ? collection : `${collection}/${object.metadata.name}`,
    query: { dryRun: 'All' },
    body: { ...object, apiVersion: apiVersion(resource), kind: resource.kind },
  })) as KubeObject;
}

async function refusalOf(request: Promise<unknown>): Promise<KubeError> {
  try {
    await request;
  } catch (error) {
    if (error instanceof KubeError) return error;
    throw error;
  }
  throw new Error('the API server accepted it');
}
