import { expect } from 'chai';
import type { KubeObject } from '../../../api/meta.ts';
import { componentNamespace, hubLabels, shareNamespace } from '../../../api/names.ts';
import { hubObjectName } from '../../../api/object-names.ts';
import {
  configMaps,
  endpointSlices,
  exportedServices,
  leases,
  namespaces,
  peers,
  type Resource,
  roleBindings,
  roles,
  secrets,
  serviceAccounts,
  services,
} from '../../../api/resource.ts';
import { until } from '../../../lab/until.ts';
import {
  elsewhere,
  lease,
  own,
  ownObjects,
  pathOf,
  peer,
  refused,
  requestToken,
  rulesOf,
} from './attempts.ts';
import { HubCluster, type Member, type RunningHub, refusalOf } from './hub-cluster.ts';

const namespace = shareNamespace;
const key = Buffer.alloc(32, 9).toString('base64');

/** The ids are chosen so that every name of the victim begins with the attacker's id and a dash. */
const attackerId = 'prod';
const victimId = 'prod-eu';

describe('a joined cluster on a real hub', () => {
  let hub: HubCluster;
  let running: RunningHub;
  let attacker: Member;
  let victim: Member;

  before(async function () {
    this.timeout(180_000);
    hub = await HubCluster.start();
    running = await hub.runHub();
    attacker = await hub.member(attackerId);
    victim = await hub.member(victimId);
    for (const id of [attackerId, victimId]) {
      await until(async () => await hub.admin.get(peers, { namespace, name: id }), {
        what: `the Peer of ${id}`,
        timeout: 60_000,
      });
    }
  });

  after(async () => {
    await running?.[Symbol.asyncDispose]();
    await hub?.[Symbol.asyncDispose]();
  });

  describe('may', () => {
    it('tell its exports and slices, change and delete them', async () => {
      for (const [resource, object] of ownObjects(victimId)) {
        const stored = await victim.client.create(resource, object);
        await victim.client.update(resource, {
          ...stored,
          metadata: { ...stored.metadata, annotations: { a: 'b' } },
        });
        await victim.client.apply(resource, object, { fieldManager: 'nauti-syncer', force: true });
        expect(
          await victim.client.delete(resource, { namespace, name: object.metadata.name ?? '' }),
        ).to.equal(true);
      }
    });

    it('renew its lease, give it back and take it again', async () => {
      const renewTime = new Date().toISOString().replace('Z', '000Z');
      const lease = { metadata: { namespace, name: victimId, labels: own(victimId) }, spec: { renewTime } };
      await victim.client.apply(leases, lease, { fieldManager: 'nauti-syncer', force: true });
      expect(await victim.client.delete(leases, { namespace, name: victimId })).to.equal(true);
      await victim.client.create(leases, lease);
    });

    it('say on its Peer how it is reached, and what it measures', async () => {
      const peer = {
        metadata: { namespace, name: victimId },
        spec: {
          cluster_id: victimId,
          endpoint: '198.51.100.9',
          port: 31_820,
          public_key: key,
          isPublic: true,
        },
      };
      const stored = await victim.client.apply(peers, peer, { fieldManager: 'nauti-octopus' });
      expect(stored.spec).to.include({ endpoint: '198.51.100.9', public_key: key });
      const status = { tunnels: [{ cluster_id: 'hub', state: 'Connected', rtt_avg_us: 800 }] };
      const { metadata } = peer;
      await victim.client.apply(
        peers,
        { metadata, status },
        { fieldManager: 'nauti-octopus', subresource: 'status' },
      );
    });

    it('read what all clusters tell, and nothing but that', async () => {
      for (const resource of [peers, leases, exportedServices, endpointSlices]) {
        for await (const page of victim.client.listPages(resource, { namespace }))
          expect(page.items).to.be.an('array');
      }
    });

    it('do exactly this, says the API server', async () => {
      const written = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'];
      expect(await rulesOf(attacker.client, namespace)).to.deep.equal(
        [
          `serviceaccounts/token[member-${attackerId}]: create`,
          `endpointslices.discovery.k8s.io: ${written.join(' ')}`,
          `exportedservices.nauti.io: ${written.join(' ')}`,
          `leases.coordination.k8s.io: ${written.join(' ')}`,
          'peers.octopus.io: get list patch update watch',
          'peers/status.octopus.io: get patch update',
        ].sort(),
      );
      for (const other of ['default', 'kube-system', componentNamespace]) {
        expect(await rulesOf(attacker.client, other), other).to.deep.equal([]);
      }
    });
  });

  describe("must not touch another's", () => {
    before(async () => {
      for (const [resource, object] of ownObjects(victimId)) await victim.client.create(resource, object);
    });

    const victims: readonly (readonly [resource: Resource, name: string, change: object])[] = [
      [peers, victimId, { spec: { endpoint: '203.0.113.66' } }],
      [leases, victimId, { spec: { holderIdentity: 'x' } }],
      [exportedServices, hubObjectName(victimId, 'demo', 'web'), { spec: { type: 'Headless' } }],
      [endpointSlices, hubObjectName(victimId, 'demo', 'web-1'), { endpoints: [] }],
    ];
    for (const [resource, name, change] of victims) {
      const reference = { namespace, name };
      const mergePatch = (body: object) =>
        attacker.client.patch(resource, reference, { contentType: 'application/merge-patch+json', body });

      it(`${resource.kind}: delete`, async () => {
        await refused(attacker.client.delete(resource, reference));
      });
      it(`${resource.kind}: change`, async () => {
        await refused(mergePatch(change));
      });
      it(`${resource.kind}: relabel as its own`, async () => {
        await refused(mergePatch({ metadata: { labels: own(attackerId) } }));
      });
      it(`${resource.kind}: remove the label`, async () => {
        await refused(mergePatch({ metadata: { labels: { [hubLabels.clusterId]: null } } }));
      });
      it(`${resource.kind}: take over by a forced apply`, async () => {
        const object = { metadata: { ...reference, labels: own(attackerId) }, ...change };
        await refused(attacker.client.apply(resource, object, { fieldManager: 'nauti-syncer', force: true }));
      });
      it(`${resource.kind}: replace`, async () => {
        const stored = (await attacker.client.get(resource, reference)) as KubeObject;
        const { spec } = change as { spec?: object };
        const changed = spec
          ? { ...stored, spec: { ...(stored.spec as object), ...spec } }
          : { ...stored, ...change };
        await refused(attacker.client.update(resource, changed));
      });
      it(`${resource.kind}: give it an owner that is gone, so that it is collected`, async () => {
        const owner = {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          name: 'gone',
          uid: '00000000-0000-0000-0000-000000000000',
        };
        await refused(mergePatch({ metadata: { ownerReferences: [owner] } }));
      });
      it(`${resource.kind}: delete all of a kind`, async () => {
        const path = pathOf(resource);
        await refused(attacker.client.request({ method: 'DELETE', path }), /cannot deletecollection/);
      });
    }

    it('Peer: its status', async () => {
      const status = { conditions: [] };
      await refused(
        attacker.client.patch(
          peers,
          { namespace, name: victimId },
          {
            ...{ contentType: 'application/merge-patch+json', body: { status }, subresource: 'status' },
          },
        ),
      );
    });

    it('left everything as it was', async () => {
      for (const [resource, name] of victims) {
        const stored = await hub.admin.get(resource, { namespace, name });
        expect(stored?.metadata.labels?.[hubLabels.clusterId], resource.kind).to.equal(victimId);
        expect(stored?.metadata.deletionTimestamp).to.equal(undefined);
        expect(stored?.metadata.ownerReferences).to.equal(undefined);
      }
      const peer = (await hub.admin.get(peers, { namespace, name: victimId })) as KubeObject;
      expect(peer.spec).to.include({ endpoint: '198.51.100.9', public_key: key });
    });
  });

  describe('must not make', () => {
    const [[, anExport], [, aSlice]] = ownObjects(attackerId);
    const named = (object: KubeObject, name: string, labels = own(attackerId)): KubeObject => ({
      ...object,
      metadata: { ...object.metadata, name, labels: { ...object.metadata.labels, ...labels } },
    });

    const forbidden: readonly (readonly [
      what: string,
      resource: Resource,
      object: () => KubeObject,
      says: RegExp,
    ])[] = [
      ['a Lease of another', leases, () => lease('other', own('other')), /must label|may change/],
      [
        "a Lease under another's name",
        leases,
        () => lease('other', own(attackerId)),
        /name other is not of cluster prod/,
      ],
      [
        "a Lease with another's label",
        leases,
        () => lease(attackerId, own(victimId)),
        /must label what it writes/,
      ],
      ['a Lease without a label', leases, () => lease(attackerId, {}), /must label what it writes/],
      ['a Peer', peers, () => peer(attackerId, own(attackerId)), /cannot create resource "peers"/],
      [
        "an export with another's label",
        exportedServices,
        () => named(anExport, `${attackerId}-demo-x`, own(victimId)),
        /must label/,
      ],
      [
        "an export with another's id",
        exportedServices,
        () => ({
          ...named(anExport, `${victimId}-demo-x`),
          spec: { ...(anExport.spec as object), clusterId: victimId },
        }),
        /spec\.clusterId must be prod/,
      ],
      [
        "an export under a name that another's will have",
        exportedServices,
        () => named(anExport, hubObjectName(victimId, 'shop', 'cart')),
        /is not of cluster prod/,
      ],
      [
        "a slice with another's label",
        endpointSlices,
        () => named(aSlice, `${attackerId}-demo-x`, own(victimId)),
        /must label/,
      ],
      [
        "a slice under a name that another's will have",
        endpointSlices,
        () => named(aSlice, hubObjectName(victimId, 'shop', 'cart-1')),
        /is not of cluster prod/,
      ],
      [
        'a slice under a foreign name',
        endpointSlices,
        () => named(aSlice, 'cluster1-demo-x'),
        /is not of cluster prod/,
      ],
      [
        'a slice under its bare id',
        endpointSlices,
        () => named(aSlice, attackerId),
        /is not of cluster prod/,
      ],
      [
        "a slice of one of the hub's own Services",
        endpointSlices,
        () => named(aSlice, `${attackerId}-x`, { 'kubernetes.io/service-name': 'kubernetes' }),
        /must begin with derived-/,
      ],
      [
        "a slice that looks like the hub's controller's",
        endpointSlices,
        () =>
          named(aSlice, `${attackerId}-x`, {
            'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
          }),
        /managed-by must be mcs\.nauti\.io/,
      ],
      [
        'an export that cannot be deleted',
        exportedServices,
        () => {
          const object = named(anExport, `${attackerId}-demo-x`);
          return { ...object, metadata: { ...object.metadata, finalizers: ['example.com/never'] } };
        },
        /must not set finalizers/,
      ],
      [
        'a Secret',
        secrets,
        () => ({ metadata: { namespace, name: 'x' } }),
        /cannot create resource "secrets"/,
      ],
      [
        'a ServiceAccount',
        serviceAccounts,
        () => ({ metadata: { namespace, name: 'member-x' } }),
        /cannot create/,
      ],
      [
        'a Service',
        services,
        () => ({ metadata: { namespace, name: 'x' }, spec: { ports: [{ port: 80 }] } }),
        /cannot create/,
      ],
      ['a namespace', namespaces, () => ({ metadata: { name: 'x' } }), /cannot create/],
      [
        'a Role that may do all',
        roles,
        () => ({
          metadata: { namespace, name: 'x' },
          rules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }],
        }),
        /cannot create/,
      ],
      [
        'a binding of itself to the administrators',
        roleBindings,
        () => ({
          metadata: { namespace, name: 'x' },
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
          subjects: [{ kind: 'ServiceAccount', namespace, name: `member-${attackerId}` }],
        }),
        /cannot create/,
      ],
      [
        "a Lease elsewhere, like the hub's own",
        leases,
        () => elsewhere(lease('x', own(attackerId))),
        /cannot create/,
      ],
      [
        'a slice elsewhere',
        endpointSlices,
        () => elsewhere(named(aSlice, `${attackerId}-x`)),
        /cannot create/,
      ],
    ];
    for (const [what, resource, object, says] of forbidden) {
      it(what, async () => {
        await refused(attacker.client.create(resource, object()), says);
      });
    }
  });

  describe('must not make of its own what it is not', () => {
    const patchOwn = (resource: Resource, name: string, body: object) =>
      attacker.client.patch(
        resource,
        { namespace, name },
        { contentType: 'application/merge-patch+json', body },
      );
    const exportName = hubObjectName(attackerId, 'demo', 'web');
    const sliceName = hubObjectName(attackerId, 'demo', 'web-1');

    before(async () => {
      for (const [resource, object] of ownObjects(attackerId)) await attacker.client.create(resource, object);
    });

    it('its Peer: a CIDR of its choice', async () => {
      await refused(
        patchOwn(peers, attackerId, { spec: { cluster_cidr: ['10.112.0.0/12'] } }),
        /cluster_cidr is set by the hub/,
      );
      await refused(
        patchOwn(peers, attackerId, { spec: { cluster_cidr: null } }),
        /cluster_cidr is set by the hub/,
      );
    });

    it('its Peer: a CIDR of its choice, through the status', async () => {
      const before = await hub.admin.get(peers, { namespace, name: attackerId });
      await attacker.client.patch(
        peers,
        { namespace, name: attackerId },
        {
          contentType: 'application/merge-patch+json',
          body: { spec: { cluster_cidr: ['10.112.0.0/12'] } },
          subresource: 'status',
        },
      );
      const after = await hub.admin.get(peers, { namespace, name: attackerId });
      expect(after?.spec).to.deep.equal(before?.spec);
    });

    it('its Peer: the hub', async () => {
      await refused(patchOwn(peers, attackerId, { spec: { ishub: true } }), /ishub/);
    });

    it("its Peer: another's", async () => {
      await refused(patchOwn(peers, attackerId, { spec: { cluster_id: victimId } }), /cluster_id/);
      await refused(patchOwn(peers, attackerId, { metadata: { labels: own(victimId) } }), /must label/);
      await refused(
        attacker.client.delete(peers, { namespace, name: attackerId }),
        /cannot delete resource "peers"/,
      );
    });

    it("its Lease, export and slice: another's", async () => {
      const names: [Resource, string][] = [
        [leases, attackerId],
        [exportedServices, exportName],
        [endpointSlices, sliceName],
      ];
      for (const [resource, name] of names) {
        await refused(patchOwn(resource, name, { metadata: { labels: own(victimId) } }), /must label/);
        await refused(
          patchOwn(resource, name, { metadata: { labels: { [hubLabels.clusterId]: null } } }),
          /must label/,
        );
        await refused(
          patchOwn(resource, name, { metadata: { finalizers: ['example.com/never'] } }),
          /finalizers/,
        );
      }
      await refused(patchOwn(exportedServices, exportName, { spec: { clusterId: victimId } }), /clusterId/);
    });
  });

  describe('must not read or become what it is not', () => {
    it('Secrets, and who has which CIDR', async () => {
      for (const resource of [secrets, configMaps, serviceAccounts, roles]) {
        await refused(attacker.client.request({ method: 'GET', path: pathOf(resource) }), /cannot list/);
      }
      await refused(attacker.client.get(secrets, { namespace, name: 'any' }), /cannot get/);
      await refused(
        attacker.client.get(configMaps, { namespace, name: 'nauti-cluster-cidrs' }),
        /cannot get/,
      );
      await refused(attacker.client.request({ method: 'GET', path: '/api/v1/secrets' }), /cannot list/);
    });

    it('anybody else, by a token', async () => {
      for (const account of [`member-${victimId}`, 'default', `join-${attackerId}`, `join-${victimId}`]) {
        await refused(
          requestToken(attacker.client, namespace, account),
          /cannot create resource "serviceaccounts\/token"/,
        );
      }
      await refused(requestToken(attacker.client, componentNamespace, 'nauti-hub'), /cannot create/);
    });

    it('anybody else, by impersonation', async () => {
      for (const resource of ['users', 'groups', 'serviceaccounts']) {
        const review = await attacker.client.request({
          method: 'POST',
          path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
          body: { spec: { resourceAttributes: { namespace, verb: 'impersonate', resource } } },
        });
        expect((review as { status: { allowed: boolean } }).status.allowed, resource).to.equal(false);
      }
    });

    it('itself for years', async () => {
      await refused(
        requestToken(attacker.client, namespace, `member-${attackerId}`, 604_801),
        /must not live longer/,
      );
    });

    it('more than it is, even where a Role would let it', async () => {
      // A mistake of the administrator: the policy is the second wall.
      await hub.admin.create(roles, {
        metadata: { namespace, name: 'mistake' },
        rules: [
          { apiGroups: [''], resources: ['serviceaccounts/token'], verbs: ['create'] },
          { apiGroups: ['octopus.io'], resources: ['peers'], verbs: ['create', 'delete'] },
        ],
      });
      await hub.admin.create(roleBindings, {
        metadata: { namespace, name: 'mistake' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'mistake' },
        subjects: [{ kind: 'ServiceAccount', namespace, name: `member-${attackerId}` }],
      });
      try {
        const message = await until(
          async () => {
            const error = await refusalOf(requestToken(attacker.client, namespace, `member-${victimId}`));
            return error.message.includes('cannot create') ? undefined : error.message;
          },
          { what: 'the Role in force', timeout: 60_000 },
        );
        expect(message).to.match(/tokens are given of one's own cluster only/);
        await refused(
          attacker.client.delete(peers, { namespace, name: attackerId }),
          /made and deleted by the hub/,
        );
        await refused(
          attacker.client.create(peers, peer('other', own(attackerId))),
          /not of cluster|deleted by the hub/,
        );
      } finally {
        await hub.admin.delete(roleBindings, { namespace, name: 'mistake' });
      }
    });
  });
});
