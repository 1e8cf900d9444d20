import { expect } from 'chai';
import { Transaction } from 'ovsdb-client';
import type { OVNNorthboundDatabase } from 'ovsdb-client/ovn-northbound';
import { namespaces, serviceExports, services } from '../../../api/resource.ts';
import { until } from '../../../lab/until.ts';
import { formatEndpoint } from '../../../ovsdb-client/endpoint.ts';
import { runProgram } from '../../../ovsdb-client/testing/programs.ts';
import { startWorld, type World } from './world.ts';

type DB = OVNNorthboundDatabase;
type Verdict = 'delivered' | 'dropped';

const web = { containers: [{ name: 'c', image: 'none', ports: [{ name: 'http', containerPort: 8080 }] }] };

describe('isolation, traced through the logical flows of a real ovn-northd,', function () {
  this.timeout(180_000);
  let world: World;
  let namespace: string;

  before(async function () {
    this.timeout(180_000);
    world = await startWorld({ northd: true });
  });
  after(() => world[Symbol.asyncDispose]());
  afterEach(async () => {
    await world.stopControllers();
    await world.deleteAllPods();
  });

  /** A pod with the port `http` 8080, that another cluster's packets come by, and one that is reached. */
  async function makePods(labels: Record<string, string> = {}): Promise<void> {
    namespace = await world.namespace(labels);
    await world.createPod(namespace, 'other');
    await world.createPod(namespace, 'web', { metadata: { labels: { app: 'web' } }, spec: web });
    await world.allocated(namespace, 'other');
    await world.allocated(namespace, 'web');
  }

  async function makeService(name: string, labels: Record<string, string> = {}): Promise<void> {
    await world.admin.create(services, {
      metadata: { namespace, name, labels },
      spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] },
    });
  }

  const exportService = (name: string) =>
    world.admin.create(serviceExports, { metadata: { namespace, name } });

  const label = (value: string | null) =>
    world.admin.patch(
      namespaces,
      { name: namespace },
      {
        contentType: 'application/merge-patch+json',
        body: { metadata: { labels: { 'nauti.io/isolate': value } } },
      },
    );

  interface Packet {
    readonly from: 'another cluster' | 'own cluster';
    readonly port: number;
    readonly protocol?: 'tcp' | 'udp';
    readonly to?: 'web' | 'other';
    /** It belongs to a connection that its receiver opened. */
    readonly isReply?: boolean;
    readonly family?: 4 | 6;
  }

  /** What becomes of a packet that a gateway, here a port of another owner, sends to a pod. */
  async function fate(packet: Packet): Promise<Verdict> {
    const { from, port, protocol = 'tcp', to = 'web', isReply = false, family = 4 } = packet;
    const annotations = await world.annotations(namespace, to);
    const addresses = (annotations['nauti.io/ip_address'] ?? '').split(',');
    const foreign = family === 4 ? '10.114.0.5' : 'fd00:10:114::5';
    const own = family === 4 ? '10.113.99.99' : 'fd00:10:113::9999';
    await runProgram(
      'ovn-nbctl',
      `--db=${formatEndpoint(world.ovn.northbound.endpoint)}`,
      '--wait=sb',
      'sync',
    );
    const trace = await runProgram(
      'ovn-trace',
      `--db=${formatEndpoint(world.ovn.southbound.endpoint)}`,
      '--minimal',
      // Looked up twice: for the port that it enters by, and for the one that it leaves by.
      ...Array<string>(2).fill(`--ct=${isReply ? 'est,rpl' : 'new'}`),
      'default',
      [
        'inport == "gateway"',
        'eth.src == 02:00:00:00:00:01',
        `eth.dst == ${annotations['nauti.io/mac_address']}`,
        `ip${family}.src == ${from === 'own cluster' ? own : foreign}`,
        `ip${family}.dst == ${addresses[family === 4 ? 0 : 1]}`,
        'ip.ttl == 64',
        `${protocol}.dst == ${port}`,
        `${protocol}.src == 40000`,
      ].join(' && '),
    );
    return trace.includes(`output("${to}.${namespace}")`) ? 'delivered' : 'dropped';
  }

  async function becomes(packet: Packet, verdict: Verdict): Promise<void> {
    await until(async () => (await fate(packet)) === verdict, {
      what: `${JSON.stringify(packet)} being ${verdict}`,
      timeout: 60_000,
      interval: 50,
    });
  }

  /** Where packets of other clusters enter. */
  async function makeGateway(): Promise<void> {
    const transaction = new Transaction<DB>();
    const port = transaction.insert('Logical_Switch_Port', {
      name: 'gateway',
      addresses: ['02:00:00:00:00:01 10.113.0.1'],
    });
    transaction.mutate('Logical_Switch', [['name', '==', 'default']], [['ports', 'insert', [port]]]);
    await world.ovn.nb.transact(transaction);
  }

  async function start(...cidrs: string[]): Promise<void> {
    await world.ovn.clearNorthbound();
    const { controller } = await world.start({ isolation: true, ...(cidrs.length > 0 ? { cidrs } : {}) });
    await until(() => controller.knowsNetwork && controller.readiness === true, {
      what: 'the controller being ready',
      timeout: 60_000,
    });
    await until(async () => (await groups()).switches > 0, {
      what: 'the switch',
      timeout: 60_000,
      interval: 10,
    });
    await makeGateway();
  }

  async function groups() {
    const look = new Transaction<DB>();
    const [groups, acls] = [look.select('Port_Group', [], ['name']), look.select('ACL', [], ['match'])];
    const switches = look.select('Logical_Switch', [], ['name']);
    const result = await world.ovn.nb.transact(look);
    return {
      names: result
        .rows(groups)
        .map(({ name }) => name)
        .sort(),
      acls: result.rows(acls).length,
      switches: result.rows(switches).length,
    };
  }

  it('is off by default: everybody reaches every pod', async () => {
    await start();
    await makePods();
    await becomes({ from: 'another cluster', port: 22 }, 'delivered');
    expect((await groups()).acls).to.equal(0);
  });

  it('of a namespace admits other clusters at exported ports only, and the own cluster as ever', async () => {
    await start();
    await makePods({ 'nauti.io/isolate': 'true' });
    await becomes({ from: 'another cluster', port: 8080 }, 'dropped');
    await becomes({ from: 'own cluster', port: 22 }, 'delivered');
    await makeService('web');
    await exportService('web');
    await becomes({ from: 'another cluster', port: 8080 }, 'delivered');
    await becomes({ from: 'another cluster', port: 80 }, 'dropped');
    await becomes({ from: 'another cluster', port: 8080, protocol: 'udp' }, 'dropped');
    await becomes({ from: 'another cluster', port: 8080, to: 'other' }, 'dropped');
    // What a pod opened itself is answered.
    await becomes({ from: 'another cluster', port: 50_000, isReply: true }, 'delivered');
    await becomes({ from: 'another cluster', port: 50_000 }, 'dropped');
    // As it was.
    await label(null);
    await becomes({ from: 'another cluster', port: 22 }, 'delivered');
    expect(await groups()).to.deep.equal({ names: [], acls: 0, switches: 1 });
  });

  it('of a Service closes its pods, and no others', async () => {
    await start();
    await makePods();
    await makeService('web', { 'nauti.io/isolate': 'true' });
    await becomes({ from: 'another cluster', port: 8080 }, 'dropped');
    await becomes({ from: 'another cluster', port: 22, to: 'other' }, 'delivered');
    await exportService('web');
    await becomes({ from: 'another cluster', port: 8080 }, 'delivered');
    await becomes({ from: 'another cluster', port: 22 }, 'dropped');
    expect((await groups()).names).to.deep.equal(['nauti_admit_tcp_8080', 'nauti_isolated']);
  });

  it('holds in IPv6 too', async () => {
    await start('10.113.0.0/16', 'fd00:10:113::/64');
    await makePods({ 'nauti.io/isolate': 'true' });
    await makeService('web');
    await exportService('web');
    await becomes({ from: 'another cluster', port: 8080, family: 6 }, 'delivered');
    await becomes({ from: 'another cluster', port: 22, family: 6 }, 'dropped');
    await becomes({ from: 'own cluster', port: 22, family: 6 }, 'delivered');
  });

  it('leaves groups and rules of others alone, and repairs its own', async () => {
    await start();
    const theirs = new Transaction<DB>();
    const rule = theirs.insert('ACL', {
      ...{ direction: 'to-lport', priority: 5, match: 'ip4.src == 192.0.2.1', action: 'drop' },
    });
    theirs.insert('Port_Group', { name: 'theirs', acls: [rule] });
    await world.ovn.nb.transact(theirs);
    await makePods({ 'nauti.io/isolate': 'true' });
    await becomes({ from: 'another cluster', port: 22 }, 'dropped');
    const meddling = new Transaction<DB>();
    meddling.update('Port_Group', [['name', '==', 'nauti_isolated']], { acls: [] });
    await world.ovn.nb.transact(meddling);
    await becomes({ from: 'another cluster', port: 22 }, 'dropped');
    await until(async () => (await groups()).acls === 3, { what: 'the rules coming back', timeout: 60_000 });
    await label(null);
    await until(async () => (await groups()).names.join() === 'theirs', {
      what: 'ours going',
      timeout: 60_000,
    });
    expect((await groups()).acls).to.equal(1);
  });
});
