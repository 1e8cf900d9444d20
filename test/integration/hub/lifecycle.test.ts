import { expect } from 'chai';
import { Registry } from 'prom-client';
import { hubLabels, joinAnnotations, shareNamespace } from '../../../api/names.ts';
import { hubObjectName } from '../../../api/object-names.ts';
import { type Peer, parsePeer, peerConditions } from '../../../api/peer.ts';
import {
  configMaps,
  endpointSlices,
  exportedServices,
  leases,
  peers,
  type Resource,
  roleBindings,
  roles,
  secrets,
  serviceAccounts,
} from '../../../api/resource.ts';
import { CidrTable, cidrTableName } from '../../../hub/cidr-table.ts';
import { removeCluster } from '../../../hub/removal.ts';
import { cidrsOverlap, parseCidr } from '../../../ipam/cidr.ts';
import { tokenAccess } from '../../../kube/access.ts';
import { until } from '../../../lab/until.ts';
import { decodeBootstrapToken, fingerprintOf } from '../../../membership/bootstrap-token.ts';
import { requestOwnToken } from '../../../membership/own-token.ts';
import { silentLogger } from '../../../process/log.ts';
import { keepAlive } from '../../../syncer/heartbeat.ts';
import { syncerMetrics } from '../../../syncer/metrics.ts';
import { ownObjects } from './attempts.ts';
import { HubCluster, type Member, type RunningHub, refusalOf } from './hub-cluster.ts';

const namespace = shareNamespace;
const signal = () => AbortSignal.timeout(60_000);

describe('the hub component on a real API server', () => {
  let hub: HubCluster;
  let running: RunningHub | undefined;
  let heartbeats: Heartbeats;

  before(async function () {
    this.timeout(180_000);
    hub = await HubCluster.start();
    await forgetAll(hub);
  });

  beforeEach(() => {
    heartbeats = new Heartbeats();
  });

  afterEach(async () => {
    heartbeats.stop();
    await running?.[Symbol.asyncDispose]();
    running = undefined;
    await forgetAll(hub);
  });

  after(async () => {
    await hub?.[Symbol.asyncDispose]();
  });

  const peerOf = async (id: string): Promise<Peer | undefined> => {
    const object = await hub.admin.get(peers, { namespace, name: id });
    return object && parsePeer(object);
  };
  const peerWith = (id: string, holds: (peer: Peer) => boolean, what: string, timeout = 60_000) =>
    until(
      async () => {
        const peer = await peerOf(id);
        return peer && holds(peer) && peer;
      },
      {
        what: `Peer ${id} ${what}`,
        timeout,
        interval: 50,
        detail: async () => JSON.stringify(await peerOf(id)),
      },
    );
  const conditionOf = (peer: Peer, type: string) =>
    peer.status.conditions.find(condition => condition.type === type);
  const hasCidrSaid = (peer: Peer) => conditionOf(peer, peerConditions.cidrGiven) !== undefined;

  it('makes its own Peer, with the CIDR of all', async () => {
    running = await hub.runHub({ cidr: '10.112.0.0/12,fd00:112::/48' });
    const peer = await peerWith('hub', () => true, 'made');
    expect(peer.spec).to.deep.include({ ishub: true, cluster_cidr: ['10.112.0.0/12', 'fd00:112::/48'] });
  });

  it('gives each cluster that joins a Peer and a CIDR: the one asked for where it is free', async () => {
    running = await hub.runHub();
    await peerWith('hub', () => true, 'made');
    await hub.member('first');
    await hub.member('wisher', { cidr: '10.113.0.0/16' });
    const wishAtJoin = await hub.token('late-wisher');
    await hub.join('late-wisher', wishAtJoin.text, { requestedCidr: '10.120.0.0/16' });
    await hub.join('unlucky', (await hub.token('unlucky')).text, { requestedCidr: '10.120.0.0/16' });
    const cidrOf = async (id: string) => (await peerWith(id, hasCidrSaid, 'made')).spec.cluster_cidr;
    expect(await cidrOf('first')).to.deep.equal(['10.112.0.0/16']);
    expect(await cidrOf('wisher')).to.deep.equal(['10.113.0.0/16']);
    expect(await cidrOf('late-wisher')).to.deep.equal(['10.120.0.0/16']);
    expect(await cidrOf('unlucky')).to.deep.equal(['10.114.0.0/16']);
    const said = conditionOf((await peerOf('unlucky')) as Peer, peerConditions.cidrGiven);
    expect(said).to.include({ status: 'True', reason: 'AnotherGiven' });
    expect(said?.message).to.match(
      /not the one asked for as 10\.120\.0\.0\/16 must be free: late-wisher has 10\.120\.0\.0\/16/,
    );
  });

  it('hears a wish by the renewals of the lease too: a join may be announced late, or never', async () => {
    running = await hub.runHub();
    await using _ = await hub.refuseLeases('nauti-join');
    const requestedCidr = '10.121.0.0/16';
    const { text } = await hub.token('delayed');
    await hub.join('delayed', text, { requestedCidr });
    expect(await hub.admin.get(leases, { namespace, name: 'delayed' })).to.equal(undefined);
    // Another replica, which knows nothing but what the first one kept.
    const membership = await hub.join('delayed', undefined);
    const stop = new AbortController();
    const renewals = keepAlive(
      {
        client: hub.client(membership.access),
        shareNamespace: namespace,
        clusterId: 'delayed',
        annotations: () => membership.leaseAnnotations,
        log: silentLogger(),
        metrics: syncerMetrics(new Registry()),
      },
      stop.signal,
    );
    try {
      const { spec } = await peerWith('delayed', hasCidrSaid, 'made');
      expect(spec.cluster_cidr).to.deep.equal([requestedCidr]);
      await untilGone(serviceAccounts, 'join-delayed');
    } finally {
      stop.abort();
      await renewals;
    }
  });

  it('gives a cluster again what it had on a hub that was lost, whoever comes first', async () => {
    running = await hub.runHub();
    const ids = ['one', 'two'] as const;
    const had = new Map<string, readonly string[]>();
    for (const id of ids) {
      const { membership } = await hub.member(id);
      const { cluster_cidr } = (await peerWith(id, hasCidrSaid, 'made')).spec;
      had.set(id, cluster_cidr);
      await membership.rememberCidr(cluster_cidr.join(), signal());
    }
    await running[Symbol.asyncDispose]();
    await forgetAll(hub);
    running = await hub.runHub();
    for (const id of ids.toReversed()) {
      await hub.join(id, (await hub.token(id)).text);
      expect((await peerWith(id, hasCidrSaid, 'made')).spec.cluster_cidr, id).to.deep.equal(had.get(id));
    }
  });

  it('never leaves its range: who comes too late gets a Peer without CIDR, and one as soon as somebody leaves', async () => {
    running = await hub.runHub({ cidr: '10.112.0.0/15' });
    for (const id of ['a', 'b', 'c']) {
      await hub.member(id);
      await peerWith(id, hasCidrSaid, 'made');
    }
    const late = (await peerOf('c')) as Peer;
    expect(late.spec.cluster_cidr).to.deep.equal([]);
    expect(conditionOf(late, peerConditions.cidrGiven)).to.include({ status: 'False', reason: 'Exhausted' });
    expect(await metricOf(running, 'nauti_hub_cidr_used_ratio')).to.equal(1);
    await remove('a');
    const peer = await peerWith('c', ({ spec }) => spec.cluster_cidr.length > 0, 'with a CIDR');
    expect(peer.spec.cluster_cidr).to.deep.equal(['10.112.0.0/16']);
  });

  it('keeps every CIDR over a restart, also where its table was lost', async () => {
    running = await hub.runHub();
    await hub.member('one');
    await peerWith('one', hasCidrSaid, 'made');
    await hub.member('two');
    const two = await peerWith('two', hasCidrSaid, 'made');
    await running[Symbol.asyncDispose]();
    await hub.admin.delete(configMaps, { namespace, name: cidrTableName });
    running = await hub.runHub();
    await hub.member('three');
    const three = await peerWith('three', hasCidrSaid, 'made');
    expect(three.spec.cluster_cidr).to.deep.equal(['10.114.0.0/16']);
    expect((await peerOf('two'))?.spec).to.deep.equal(two.spec);
  });

  it('gives no two clusters the same, whoever decides at the same time', async () => {
    const global = parseCidr('10.112.0.0/12');
    if (global === undefined) throw new Error('unreadable');
    const settings = { globals: [global], prefixOf: () => 16 };
    const workers = Array.from({ length: 4 }, () => new CidrTable(hub.admin, namespace));
    const ids = Array.from({ length: 18 }, (_, index) => `c${index}`);
    const choices = await Promise.all(
      ids.map((id, index) => {
        const worker = workers[index % workers.length] as CidrTable;
        // All want the same one.
        return worker.claim(id, '10.113.0.0/16', new Map(), settings, signal());
      }),
    );
    const given = choices.flatMap(({ cidrs }) => cidrs);
    expect(given).to.have.length(16);
    const blocks = given.map(text => parseCidr(text)).filter(block => block !== undefined);
    for (const [index, block] of blocks.entries()) {
      for (const other of blocks.slice(index + 1)) expect(cidrsOverlap(block, other)).to.equal(false);
    }
    expect(given).to.include('10.113.0.0/16');
    expect(choices.filter(({ exhausted }) => exhausted.length > 0)).to.have.length(2);
  });

  it('ends a token that served, also where the cluster did not end it itself', async () => {
    running = await hub.runHub();
    const token = decodeBootstrapToken((await hub.token('hasty')).text);
    const access = { server: token.url, ca: token.ca };
    const joiner = hub.client(tokenAccess({ ...access, token: () => token.token }));
    const own = await requestOwnToken(joiner, namespace, 'hasty', signal());
    const member = hub.client(tokenAccess({ ...access, token: () => own.token }));
    const annotations = { [joinAnnotations.joinedWith]: fingerprintOf(token) };
    await member.create(leases, {
      metadata: { namespace, name: 'hasty', labels: { [hubLabels.clusterId]: 'hasty' }, annotations },
      spec: { leaseDurationSeconds: 15 },
    });
    await untilGone(serviceAccounts, 'join-hasty');
    for (const resource of [secrets, roles, roleBindings]) await untilGone(resource, token.secret);
    expect([401, 403]).to.include(
      (await refusalOf(requestOwnToken(joiner, namespace, 'hasty', signal()))).status,
    );
    await member.get(leases, { namespace, name: 'hasty' });
    expect(await metricOf(running, 'nauti_hub_join_tokens_ended_total')).to.equal(1);
  });

  it('ends a token that nobody used in time, and forgets its cluster', async () => {
    running = await hub.runHub();
    const { text } = await hub.token('sleeper', { ttlMs: 1_500 });
    const { secret } = decodeBootstrapToken(text);
    await untilGone(serviceAccounts, 'join-sleeper');
    for (const resource of [secrets, roles, roleBindings]) await untilGone(resource, secret);
    for (const [resource, name] of [
      [serviceAccounts, 'member-sleeper'],
      [roles, 'renew-sleeper'],
      [roleBindings, 'renew-sleeper'],
      [roleBindings, 'member-sleeper'],
    ] as const) {
      await untilGone(resource, name);
    }
    const error = await hub.join('sleeper', text).then(
      () => undefined,
      (error: Error) => error,
    );
    expect(error?.message).to.match(/must be used before/);
  });

  it('ends an unused token of a cluster that has joined before, and leaves the cluster alone', async () => {
    running = await hub.runHub();
    await hub.member('settled');
    await peerWith('settled', hasCidrSaid, 'made');
    await hub.token('settled', { ttlMs: 1_000 });
    await untilGone(serviceAccounts, 'join-settled');
    expect(await hub.admin.get(serviceAccounts, { namespace, name: 'member-settled' })).to.not.equal(
      undefined,
    );
    expect(await peerOf('settled')).to.not.equal(undefined);
  });

  it('says who is alive, purges who was silent for too long, and nobody else', async () => {
    running = await hub.runHub({ 'purge-after': '1s' });
    const dying = await hub.member('dying');
    const living = await hub.member('living');
    for (const member of [dying, living]) await tell(member);
    heartbeats.start(living);
    heartbeats.start(dying);
    for (const id of ['dying', 'living']) {
      await peerWith(id, peer => conditionOf(peer, peerConditions.alive)?.status === 'True', 'alive');
    }
    const before = (await peerOf('living')) as Peer;
    heartbeats.stop(dying);
    await peerWith('dying', peer => conditionOf(peer, peerConditions.alive)?.status === 'False', 'dead');
    await untilGone(peers, 'dying');
    for (const [resource, name] of objectsOf('dying')) await untilGone(resource, name);
    expect((await refusalOf(renew(dying))).status).to.be.oneOf([401, 403]);
    const table = await hub.admin.get(configMaps, { namespace, name: cidrTableName });
    expect(Object.keys(table?.data as object)).to.deep.equal(['living']);
    for (const [resource, name] of objectsOf('living')) {
      expect(await hub.admin.get(resource, { namespace, name }), name).to.not.equal(undefined);
    }
    expect(((await peerOf('living')) as Peer).status).to.deep.equal(before.status);
    expect(await metricOf(running, 'nauti_hub_purges_total')).to.equal(1);
  }).timeout(180_000);

  it('purges nobody because the API server was away', async () => {
    running = await hub.runHub({ 'purge-after': '1s' });
    const member = await hub.member('steady');
    heartbeats.start(member);
    const before = await peerWith(
      'steady',
      peer => conditionOf(peer, peerConditions.alive)?.status === 'True',
      'alive',
    );
    await hub.plane.killApiServer();
    // Longer than the leader leads, the lease lasts and the purge waits: the absence is what is tried.
    await until(() => heartbeats.failedFor(member) > 11_000, { what: 'an absence of 11 s', timeout: 60_000 });
    await hub.plane.startApiServer();
    const renewals = heartbeats.renewals(member);
    await until(() => heartbeats.renewals(member) > renewals + 6, { what: 'six renewals', timeout: 60_000 });
    const after = (await peerOf('steady')) as Peer;
    // With the same time: nobody said in between that it was dead.
    expect(conditionOf(after, peerConditions.alive)).to.deep.equal(conditionOf(before, peerConditions.alive));
    expect(after.spec).to.deep.equal(before.spec);
  }).timeout(180_000);

  it('has one leader, and another one when that stops', async () => {
    running = await hub.runHub();
    await peerWith('hub', () => true, 'made');
    const second = await hub.runHub();
    try {
      await running[Symbol.asyncDispose]();
      running = undefined;
      await hub.member('after');
      await peerWith('after', hasCidrSaid, 'made by the second');
    } finally {
      await second[Symbol.asyncDispose]();
    }
  }).timeout(180_000);

  it('is not needed to remove a cluster at once, with all that it told', async () => {
    const member = await hub.member('leaver');
    await tell(member);
    const removed = await remove('leaver');
    expect(removed).to.deep.equal({ exports: 1, slices: 1 });
    for (const [resource, name] of objectsOf('leaver')) {
      expect(await hub.admin.get(resource, { namespace, name }), name).to.equal(undefined);
    }
    expect((await refusalOf(renew(member))).status).to.be.oneOf([401, 403]);
    expect(await remove('leaver')).to.deep.equal({ exports: 0, slices: 0 });
  });

  const remove = (id: string) =>
    removeCluster({
      client: hub.admin,
      place: { namespace, id },
      joining: undefined,
      cidrs: new CidrTable(hub.admin, namespace),
      signal: signal(),
    });
  const untilGone = (resource: Resource, name: string) =>
    until(async () => (await hub.admin.get(resource, { namespace, name })) === undefined, {
      what: `the end of ${resource.kind} ${name}`,
      timeout: 60_000,
      interval: 50,
    });
});

/** Renews leases as syncers do, only faster. */
class Heartbeats {
  readonly #beating = new Map<string, { timer: NodeJS.Timeout; renewals: number; goodAt: number }>();

  start(member: Member): void {
    const state = { renewals: 0, goodAt: performance.now(), timer: setInterval(() => void beat(), 500) };
    const beat = async () => {
      try {
        await renew(member);
        state.renewals++;
        state.goodAt = performance.now();
      } catch {
        // The API server is away; the test looks at how long.
      }
    };
    this.#beating.set(member.id, state);
  }

  stop(member?: Member): void {
    for (const [id, { timer }] of this.#beating)
      if (member === undefined || member.id === id) clearInterval(timer);
  }

  renewals(member: Member): number {
    return this.#beating.get(member.id)?.renewals ?? 0;
  }

  failedFor(member: Member): number {
    return performance.now() - (this.#beating.get(member.id)?.goodAt ?? 0);
  }
}

async function renew({ client, id }: Member): Promise<unknown> {
  const renewTime = new Date().toISOString().replace('Z', '000Z');
  return await client.apply(
    leases,
    {
      metadata: { namespace, name: id, labels: { [hubLabels.clusterId]: id } },
      spec: { holderIdentity: id, leaseDurationSeconds: 5, renewTime },
    },
    { fieldManager: 'nauti-syncer', force: true, signal: AbortSignal.timeout(2_000) },
  );
}

/** One export and one slice. */
async function tell({ client, id }: Member): Promise<void> {
  for (const [resource, object] of ownObjects(id)) await client.create(resource, object);
}

function objectsOf(id: string): [Resource, string][] {
  return [
    [leases, id],
    [exportedServices, hubObjectName(id, 'demo', 'web')],
    [endpointSlices, hubObjectName(id, 'demo', 'web-1')],
    [serviceAccounts, `member-${id}`],
    [roles, `renew-${id}`],
    [roleBindings, `renew-${id}`],
    [roleBindings, `member-${id}`],
  ];
}

/** A hub as it was installed. */
async function forgetAll(hub: HubCluster): Promise<void> {
  for (const resource of [peers, leases, serviceAccounts, exportedServices, endpointSlices]) {
    for await (const { items } of hub.admin.listPages(resource, { namespace })) {
      for (const { metadata } of items) {
        await hub.admin.delete(resource, { namespace, name: metadata.name ?? '' });
      }
    }
  }
  await hub.admin.delete(configMaps, { namespace, name: cidrTableName });
}

async function metricOf(running: RunningHub, name: string): Promise<number | undefined> {
  const metric = await running.metrics.getSingleMetric(name)?.get();
  return metric?.values.reduce((sum, { value }) => sum + value, 0);
}
