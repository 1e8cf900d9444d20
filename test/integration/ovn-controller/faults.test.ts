import { expect } from 'chai';
import { OvsdbClient } from 'ovsdb-client';
import type { OVNNorthboundDatabase } from 'ovsdb-client/ovn-northbound';
import { until } from '../../../lab/until.ts';
import { startCluster } from '../../../ovsdb-client/testing/ovsdb-server.ts';
import { sharedFile } from '../../../ovsdb-client/testing/programs.ts';
import { expiredFrame, type Fault, type ProxiedRequest, status } from '../kube/fault-proxy.ts';
import { AllocationHistory } from './allocation-history.ts';
import { startWorld, type World } from './world.ts';

const count = 120;

describe('an ovn-controller goes on', function () {
  this.timeout(180_000);
  let world: World;
  let namespace: string;

  before(async function () {
    this.timeout(180_000);
    world = await startWorld();
  });
  after(() => world[Symbol.asyncDispose]());
  beforeEach(async () => {
    namespace = await world.namespace();
  });
  afterEach(async () => {
    await world.stopControllers();
    await world.deleteAllPods();
  });

  /** Breaks every n-th request that is chosen. */
  function everyNth(n: number, fault: Fault, chosen: (request: ProxiedRequest) => boolean) {
    let seen = 0;
    return (request: ProxiedRequest) => (chosen(request) && ++seen % n === 0 ? fault : undefined);
  }

  const isPatch = ({ method }: ProxiedRequest) => method === 'PATCH';

  describe('while the API server', () => {
    const answers: readonly (readonly [string, Fault])[] = [
      ['is overloaded (429)', { answer: { status: 429, headers: { 'retry-after': '1' }, body: '' } }],
      ['fails (500)', { answer: { status: 500, body: status(500, 'InternalError') } }],
      ['resets connections before its answer comes', { after: { bytes: 0, action: 'reset' } }],
    ];
    for (const [what, fault] of answers) {
      it(`${what} at every fifth write`, async () => {
        await using history = AllocationHistory.of(world);
        const { apiProxy } = await world.start();
        apiProxy.decide = everyNth(5, fault, isPatch);
        await world.createPods(namespace, count);
        await world.settled(count);
        expect(history.faults).to.deep.equal([]);
      });
    }

    it('breaks its watches: cut in the middle, expired, or silent', async () => {
      await using history = AllocationHistory.of(world);
      const { apiProxy } = await world.start();
      const actions: Fault['after'][] = [
        { bytes: 40_000, action: 'reset' },
        { bytes: 30_000, action: { inject: expiredFrame } },
        { bytes: 50_000, action: 'end' },
      ];
      let turn = 0;
      apiProxy.decide = ({ watch, path }) => {
        if (!watch || !path.includes('/pods')) return undefined;
        const after = actions[turn++];
        return after && { after };
      };
      apiProxy.resetAll();
      await world.createPods(namespace, count);
      await world.settled(count);
      expect(turn).to.be.at.least(actions.length);
      expect(history.faults).to.deep.equal([]);
    });

    it('crashes and comes back', async () => {
      await using history = AllocationHistory.of(world);
      await world.start();
      await world.createPods(namespace, count);
      await world.plane.killApiServer();
      await world.plane.startApiServer();
      await world.createPod(namespace, 'after');
      await world.settled(count + 1);
      expect(history.faults).to.deep.equal([]);
    });
  });

  describe('while OVN’s database', () => {
    it('cuts connections in the middle of transactions', async () => {
      await using history = AllocationHistory.of(world);
      const { ovnProxy, registry } = await world.start({ batchSize: 10 });
      let transactions = 0;
      // Every fourth one is cut before it arrives, or after: the client cannot know which.
      ovnProxy.onRequest = method => {
        if (method !== 'transact' || ++transactions % 4 !== 0) return;
        if (transactions % 8 === 0) ovnProxy.cut();
        else setImmediate(() => ovnProxy.cut());
      };
      await world.createPods(namespace, count);
      await world.settled(count);
      const failures = await registry.getSingleMetricAsString(
        'nauti_ovn_controller_transaction_failures_total',
      );
      expect(failures).to.match(/reason="unknown"\} [1-9]/);
      expect(history.faults).to.deep.equal([]);
    });

    it('cuts connections while a leader takes over', async () => {
      await using history = AllocationHistory.of(world);
      await world.createPods(namespace, 10);
      // Another block of all clusters than the recorded one, so that it is written anew.
      const { ovnProxy, registry } = await world.start({ globals: ['10.112.0.0/13'] });
      let written = 0;
      // Before the words arrive, then after: the leader cannot know which.
      ovnProxy.onRequest = (_, params) => {
        if (!JSON.stringify(params).includes('10.112.0.0/13')) return;
        if (++written === 1) ovnProxy.cut();
        if (written === 2) setImmediate(() => ovnProxy.cut());
      };
      await world.settled(10);
      const failures = await registry.getSingleMetricAsString(
        'nauti_ovn_controller_transaction_failures_total',
      );
      expect(failures).to.match(/reason="unknown"\} [1-9]/);
      expect(history.faults).to.deep.equal([]);
    });

    it('restarts', async () => {
      await using history = AllocationHistory.of(world);
      await world.start();
      const creating = world.createPods(namespace, count);
      await until(() => history.allocated.size > 50, {
        what: 'pods being served',
        timeout: 60_000,
        interval: 5,
      });
      await world.ovn.northbound.kill();
      await creating;
      await world.ovn.northbound.start();
      await world.settled(count);
      expect(history.faults).to.deep.equal([]);
    });

    it('loses everything: what pods show is written again', async () => {
      await world.start();
      await world.createPods(namespace, count);
      const before = await world.settled(count);
      await world.ovn.loseNorthbound();
      const after = await world.settled(count);
      for (const [key, { metadata }] of after)
        expect(metadata.annotations).to.deep.equal(before.get(key)?.metadata.annotations);
    });

    it('stalls', async () => {
      await using history = AllocationHistory.of(world);
      const { ovnProxy } = await world.start();
      await world.createPods(namespace, 50);
      ovnProxy.stalled = true;
      const connections = ovnProxy.connections;
      await world.createPods(await world.namespace(), 50);
      await until(() => ovnProxy.connections > connections, { what: 'it being given up', timeout: 60_000 });
      ovnProxy.stalled = false;
      await world.settled(100);
      expect(history.faults).to.deep.equal([]);
    });

    it('is a cluster whose leader is killed', async function () {
      this.timeout(180_000);
      await using cluster = await startCluster(3, { schema: sharedFile('ovn/ovn-nb.ovsschema') });
      const endpoints = cluster.servers.map(({ endpoint }) => endpoint);
      await using nb = new OvsdbClient<OVNNorthboundDatabase>({ database: 'OVN_Northbound', endpoints });
      await world.start({ endpoints, batchSize: 20 });
      let killed: Promise<void> | undefined;
      await world.createPods(namespace, count, made => {
        if (made < count / 3 || killed !== undefined) return;
        killed = cluster.leader().then(leader => leader.kill());
      });
      await killed;
      await world.settled(count, 60_000, nb);
      expect(killed).to.not.equal(undefined);
      await world.stopControllers();
    });
  });

  describe('with the others, when', () => {
    /** Each is, while one is not. */
    async function othersAreServed(stuck: string) {
      await using history = AllocationHistory.of(world);
      await world.createPods(namespace, count);
      await until(() => history.allocated.size >= count - 1, {
        what: 'the others being served',
        timeout: 60_000,
        interval: 20,
        detail: () => `${history.allocated.size} are`,
      });
      expect(history.allocated.has(`${namespace}/${stuck}`)).to.equal(false);
    }

    it('the API server never answers for one pod', async () => {
      const running = await world.start();
      running.apiProxy.decide = request =>
        isPatch(request) && request.path.includes('/pod-7?')
          ? { answer: { status: 200 }, after: { bytes: 0, action: 'stall' } }
          : undefined;
      await othersAreServed('pod-7');
      running.apiProxy.decide = () => undefined;
      running.apiProxy.resetAll();
      await world.settled(count);
    });

    // A double, as OVN has nothing against any name that Kubernetes allows: the proxy refuses in its place.
    it('OVN refuses the port of one pod', async () => {
      const running = await world.start();
      running.ovnProxy.answer = (method, params) =>
        method === 'transact' && JSON.stringify(params).includes(`"pod-7.${namespace}"`)
          ? [
              ...params.slice(2).map(() => ({})),
              null,
              { error: 'constraint violation', details: 'not this one' },
            ]
          : undefined;
      await othersAreServed('pod-7');
      const failures = await running.registry.getSingleMetricAsString(
        'nauti_ovn_controller_transaction_failures_total',
      );
      expect(failures).to.match(/reason="refused"\} [1-9]/);
      await until(async () => (await world.eventsOf('pod-7')).some(text => text.startsWith('OvnRefused: ')), {
        what: 'the event',
        timeout: 60_000,
      });
      running.ovnProxy.answer = () => undefined;
      await world.settled(count);
    });
  });
});
