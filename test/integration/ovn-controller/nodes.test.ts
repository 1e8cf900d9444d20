import { expect } from 'chai';
import { Transaction } from 'ovsdb-client';
import type { OVNNorthboundDatabase } from 'ovsdb-client/ovn-northbound';
import { nodes } from '../../../api/resource.ts';
import { until } from '../../../lab/until.ts';
import { startWorld, type World } from './world.ts';

type DB = OVNNorthboundDatabase;

describe('the ports of nodes', function () {
  this.timeout(180_000);
  let world: World;

  before(async function () {
    this.timeout(180_000);
    world = await startWorld();
  });
  after(() => world[Symbol.asyncDispose]());
  afterEach(async () => {
    await world.stopControllers();
    await world.deleteAllPods();
    for await (const { items } of world.admin.listPages(nodes))
      for (const { metadata } of items) await world.admin.delete(nodes, { name: metadata.name ?? '' });
    const controller = await world.start();
    await portsAre([]);
    await controller.stop();
  });

  const annotationsOf = async (name: string) =>
    (await world.admin.get(nodes, { name }))?.metadata.annotations ?? {};
  const addressOf = async (name: string) => (await annotationsOf(name))['nauti.io/ip_address'];
  const allocated = (name: string, address?: string) =>
    until(
      async () => {
        const shown = await annotationsOf(name);
        const isAsked = address === undefined || shown['nauti.io/ip_address'] === address;
        return shown['nauti.io/allocated'] === 'true' && isAsked && shown;
      },
      { what: `${name} having an address`, timeout: 60_000, interval: 20 },
    );
  async function portsAre(expected: readonly string[]): Promise<void> {
    let names: string[] = [];
    await until(
      async () => {
        names = (await world.ports()).map(({ name }) => name).sort();
        return names.join() === [...expected].sort().join();
      },
      { what: `the ports ${expected}`, timeout: 60_000, interval: 20, detail: () => names.join() },
    );
  }
  const addNode = (name: string, more: object = {}) =>
    world.admin.create(nodes, { metadata: { name, ...more } });

  it('are those of pods: one address, one MAC, port security', async () => {
    await world.start();
    await addNode('node.one.example');
    const shown = await allocated('node.one.example');
    const { 'nauti.io/ip_address': ip = '', 'nauti.io/mac_address': mac } = shown;
    expect(shown).to.deep.equal({
      'nauti.io/ip_address': ip,
      'nauti.io/mac_address': mac,
      'nauti.io/cidr': '10.113.0.0/16',
      'nauti.io/gateway': '10.113.0.1',
      'nauti.io/logical_switch': 'default',
      'nauti.io/routes': '[{"dst":"10.112.0.0/12","gw":"10.113.0.1"}]',
      'nauti.io/allocated': 'true',
    });
    const transaction = new Transaction<DB>();
    const found = transaction.select('Logical_Switch_Port', [], ['name', 'port_security', 'external_ids']);
    const [port] = (await world.ovn.nb.transact(transaction)).rows(found);
    expect(port).to.include({ name: 'node-node_one_example' });
    expect([...(port?.port_security ?? [])]).to.deep.equal([`${mac} ${ip}`]);
    expect(Object.fromEntries(port?.external_ids ?? [])).to.deep.equal({
      ...{ node: 'node.one.example', ls: 'default', vendor: 'nauti' },
    });
  });

  it('keep their addresses over a restart of the controller and a loss of the annotations, and give them back', async () => {
    const namespace = await world.namespace();
    const first = await world.start();
    await Promise.all([addNode('a'), addNode('b'), world.createPod(namespace, 'p')]);
    await Promise.all([allocated('a'), allocated('b'), world.allocated(namespace, 'p')]);
    const [ofA, ofB] = await Promise.all([addressOf('a'), addressOf('b')]);
    expect(ofA).not.to.equal(ofB);
    await first.stop();
    await world.admin.patch(
      nodes,
      { name: 'a' },
      {
        contentType: 'application/merge-patch+json',
        body: { metadata: { annotations: { 'nauti.io/ip_address': null, 'nauti.io/allocated': null } } },
      },
    );
    await world.start();
    await allocated('a', ofA);
    expect(await addressOf('b')).to.equal(ofB);
    await world.admin.delete(nodes, { name: 'b' });
    await portsAre(['node-a', `p.${namespace}`]);
    await addNode('b');
    // It is free, and was this node's last: nobody else is asked first.
    await allocated('b', ofB);
  });

  it('come again with their addresses when OVN has lost all', async () => {
    await world.start();
    await addNode('a');
    const before = await allocated('a');
    const transaction = new Transaction<DB>();
    transaction.delete('Logical_Switch', []);
    await world.ovn.nb.transact(transaction);
    await portsAre(['node-a']);
    expect(await annotationsOf('a')).to.deep.equal(before);
    const [port] = await world.ports();
    expect(port?.addresses).to.deep.equal([
      `${before['nauti.io/mac_address']} ${before['nauti.io/ip_address']}`,
    ]);
  });

  it('are taken back, annotations too, when nodes are to have none', async () => {
    const first = await world.start();
    await addNode('a', { annotations: { 'example.org/other': 'x' } });
    await allocated('a');
    await first.stop();
    await world.start({ clusterSetIp: false });
    await portsAre([]);
    await until(async () => Object.keys(await annotationsOf('a')).join() === 'example.org/other', {
      what: 'the annotations being gone',
      timeout: 60_000,
    });
  });

  it('take an address of another CIDR when no pod has one of the former', async () => {
    const first = await world.start();
    await addNode('a');
    await allocated('a');
    await first.stop();
    await world.start({ cidrs: ['10.114.0.0/16'] });
    const shown = await until(
      async () => {
        const annotations = await annotationsOf('a');
        return annotations['nauti.io/cidr'] === '10.114.0.0/16' && annotations;
      },
      { what: 'an address of the new CIDR', timeout: 60_000 },
    );
    expect(shown['nauti.io/ip_address']).to.match(/^10\.114\./);
    const [port] = await world.ports();
    expect(port?.addresses[0]).to.equal(`${shown['nauti.io/mac_address']} ${shown['nauti.io/ip_address']}`);
  });

  it('refuse a node whose name another owner has in OVN, and tell of it', async () => {
    await world.start();
    const transaction = new Transaction<DB>();
    const foreign = transaction.insert('Logical_Switch_Port', { name: 'node-taken' });
    transaction.insert('Logical_Switch', { name: 'other', ports: [foreign] });
    await world.ovn.nb.transact(transaction);
    await addNode('taken');
    const told = await until(async () => (await world.eventsOf('taken'))[0], {
      what: 'an Event on the node',
      timeout: 60_000,
    });
    expect(told).to.contain('PortNameTaken');
    expect(await annotationsOf('taken')).to.deep.equal({});
    const end = new Transaction<DB>();
    end.delete('Logical_Switch', [['name', '==', 'other']]);
    await world.ovn.nb.transact(end);
  });
});
