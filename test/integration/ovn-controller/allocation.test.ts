import { expect } from 'chai';
import { Transaction } from 'ovsdb-client';
import type { OVNNorthboundDatabase } from 'ovsdb-client/ovn-northbound';
import { namespaces } from '../../../api/resource.ts';
import { until } from '../../../lab/until.ts';
import { ovnVersions } from './ovn.ts';
import { gatewayAccount, startWorld, systemNamespace, type World } from './world.ts';

type DB = OVNNorthboundDatabase;

describe('ovn-controller gives addresses', function () {
  this.timeout(180_000);
  let world: World;

  before(async function () {
    this.timeout(180_000);
    world = await startWorld({ northd: true });
    process.stdout.write(`    on ${await ovnVersions()}\n`);
  });
  after(() => world[Symbol.asyncDispose]());
  afterEach(async () => {
    await world.stopControllers();
    await world.deleteAllPods();
  });

  /** Our ports in OVN as text, by name. */
  async function ports(): Promise<Record<string, string>> {
    const transaction = new Transaction<DB>();
    const selection = transaction.select(
      'Logical_Switch_Port',
      [],
      ['name', 'addresses', 'port_security', 'external_ids'],
    );
    const rows = (await world.ovn.nb.transact(transaction)).rows(selection);
    return Object.fromEntries(
      rows.map(row => [
        row.name,
        `${row.addresses.join()} | ${row.port_security.join()} | ${[...row.external_ids].sort().join(' ')}`,
      ]),
    );
  }

  it('annotations, port and port binding of a pod, by the contract', async () => {
    await world.start();
    const namespace = await world.namespace();
    await world.createPod(namespace, 'web-0');
    const annotations = await world.allocated(namespace, 'web-0');
    const address = annotations['nauti.io/ip_address'] ?? '';
    const mac = annotations['nauti.io/mac_address'] ?? '';
    expect(address).to.match(/^10\.113\.\d+\.\d+$/);
    expect(annotations).to.deep.equal({
      'nauti.io/ip_address': address,
      'nauti.io/mac_address': mac,
      'nauti.io/cidr': '10.113.0.0/16',
      'nauti.io/gateway': '10.113.0.1',
      'nauti.io/logical_switch': 'default',
      'nauti.io/pod_nic_type': 'veth-pair',
      'nauti.io/allocated': 'true',
      'nauti.io/routes': '[{"dst":"10.112.0.0/12","gw":"10.113.0.1"}]',
    });
    expect((await ports())[`web-0.${namespace}`]).to.equal(
      `${mac} ${address} | ${mac} ${address} | ls,default pod,${namespace}/web-0 vendor,nauti`,
    );
    // northd has taken it over into the southbound database.
    await until(
      async () => {
        const transaction = new Transaction<
          Parameters<typeof world.ovn.sb.transact>[0] extends Transaction<infer T> ? T : never
        >();
        const bindings = transaction.select(
          'Port_Binding',
          [['logical_port', '==', `web-0.${namespace}`]],
          ['mac', 'port_security'],
        );
        const [row] = (await world.ovn.sb.transact(transaction)).rows(bindings);
        return row?.mac.join() === `${mac} ${address}` && row.port_security.join() === `${mac} ${address}`;
      },
      { what: 'the port binding', timeout: 60_000 },
    );
  });

  it('in both families, with the values side by side', async () => {
    await world.start({ cidrs: ['10.113.0.0/16', 'fd00:10:113::/64'] });
    const namespace = await world.namespace();
    await world.createPod(namespace, 'a');
    const annotations = await world.allocated(namespace, 'a');
    expect(annotations['nauti.io/ip_address']).to.match(/^10\.113\.\d+\.\d+,fd00:10:113::[0-9a-f]+$/);
    expect(annotations['nauti.io/routes']).to.equal(
      '[{"dst":"10.112.0.0/12","gw":"10.113.0.1"},{"dst":"fd00:10::/32","gw":"fd00:10:113::1"}]',
    );
    expect((await ports())[`a.${namespace}`]).to.contain(
      annotations['nauti.io/ip_address']?.replace(',', ' ') ?? '?',
    );
  });

  it('in IPv6 alone', async () => {
    await world.start({ cidrs: ['fd00:10:113::/64'], cidrChange: 'renumber' });
    const namespace = await world.namespace();
    await world.createPod(namespace, 'a');
    const annotations = await world.allocated(namespace, 'a');
    expect(annotations['nauti.io/ip_address']).to.match(/^fd00:10:113::[0-9a-f]+$/);
    expect(annotations['nauti.io/mac_address']).to.match(/^0e:/);
  });

  it('to nobody on the host’s network', async () => {
    await world.start({ cidrChange: 'renumber' });
    const namespace = await world.namespace();
    await world.createPod(namespace, 'host', { spec: { hostNetwork: true } });
    await world.createPod(namespace, 'later');
    await world.allocated(namespace, 'later');
    expect(await world.annotations(namespace, 'host')).to.deep.equal({});
  });

  it('of the gateway only to a pod of its ServiceAccount, to one at a time, and on when that is gone', async () => {
    const namespace = await world.namespace();
    const metadata = { labels: { 'nauti.io/cnf': 'true' } };
    const spec = { serviceAccountName: gatewayAccount.split('/')[1] };
    // They are there before anybody leads: a new leader tells of them as the one before would have.
    await world.createPod(systemNamespace, 'gateway-1', { metadata, spec });
    await world.createPod(namespace, 'impostor', { metadata, spec });
    await world.start();
    const first = await world.allocated(systemNamespace, 'gateway-1');
    expect(first['nauti.io/ip_address']).to.equal('10.113.0.1');
    expect(first).to.not.have.property('nauti.io/routes');
    expect((await ports())['gateway-1.nauti-system']).to.match(
      /^0a:58:0a:71:00:01 10\.113\.0\.1 \| 0a:58:0a:71:00:01 \|/,
    );
    expect((await world.allocated(namespace, 'impostor'))['nauti.io/ip_address']).to.not.equal('10.113.0.1');
    await until(async () => (await world.eventsOf('impostor')).join().startsWith('NotTheGateway'), {
      what: 'the event',
      timeout: 60_000,
    });

    await world.createPod(systemNamespace, 'gateway-2', { metadata, spec });
    await until(async () => (await world.refusalOf(systemNamespace, 'gateway-2')) === 'GatewayTaken', {
      what: 'the condition',
      timeout: 60_000,
    });
    await world.deletePod(systemNamespace, 'gateway-1');
    expect((await world.allocated(systemNamespace, 'gateway-2'))['nauti.io/ip_address']).to.equal(
      '10.113.0.1',
    );
    await until(async () => (await world.refusalOf(systemNamespace, 'gateway-2')) === undefined, {
      what: 'the condition going',
      timeout: 60_000,
    });
  });

  it('that are asked for, or says why not', async () => {
    await world.start();
    const namespace = await world.namespace();
    const asking = (address: string, more: object = {}) => ({
      metadata: { annotations: { 'nauti.io/ip_address': address, ...more } },
    });
    await world.createPod(namespace, 'wish', asking('10.113.77.77'));
    expect((await world.allocated(namespace, 'wish'))['nauti.io/ip_address']).to.equal('10.113.77.77');
    await world.createPod(namespace, 'same', asking('10.113.77.77'));
    await world.createPod(namespace, 'outside', asking('10.99.0.1'));
    await world.createPod(namespace, 'nonsense', asking('$(reboot)'));
    for (const [name, reason, words] of [
      ['same', 'AddressTaken', '10.113.77.77 is used'],
      ['outside', 'InvalidAddressRequest', 'must be in 10.113.0.0/16: current value is 10.99.0.1'],
      ['nonsense', 'InvalidAddressRequest', 'current value is "$(reboot)"'],
    ] as const) {
      await until(async () => (await world.refusalOf(namespace, name)) === reason, {
        what: `the condition of ${name}`,
        timeout: 60_000,
      });
      await until(
        async () =>
          (await world.eventsOf(name)).some(text => text.startsWith(reason) && text.includes(words)),
        {
          what: `the event of ${name}`,
          timeout: 60_000,
        },
      );
    }
    // What an author wrote in advance is a request, and no allocation.
    await world.createPod(
      namespace,
      'forger',
      asking('10.113.77.77', { 'nauti.io/allocated': 'true', 'nauti.io/mac_address': '0a:58:0a:71:4d:4d' }),
    );
    const forged = await until(
      async () => {
        const annotations = await world.annotations(namespace, 'forger');
        return annotations['nauti.io/cidr'] !== undefined && annotations;
      },
      { what: 'the forger being served', timeout: 60_000 },
    );
    expect(forged['nauti.io/ip_address']).to.not.equal('10.113.77.77');
    expect(forged['nauti.io/mac_address']).to.not.equal('0a:58:0a:71:4d:4d');
    // A request is granted as soon as it can be.
    await world.deletePod(namespace, 'wish');
    expect((await world.allocated(namespace, 'same'))['nauti.io/ip_address']).to.equal('10.113.77.77');
  });

  it('back when pods are finished, evicted, deleted by force, or their node never says that they are gone', async () => {
    const { controller } = await world.start({
      cidrs: ['10.113.0.0/29'],
      cidrChange: 'renumber',
      quarantineMs: 50,
    });
    const namespace = await world.namespace();
    for (const name of ['done', 'evicted', 'forced', 'stuck']) {
      await world.createPod(namespace, name, {
        spec: { restartPolicy: 'Never', nodeName: 'gone', terminationGracePeriodSeconds: 1 },
      });
    }
    for (const name of ['done', 'evicted', 'forced', 'stuck']) await world.allocated(namespace, name);
    for (const name of ['new-1', 'new-2', 'new-3', 'new-4']) await world.createPod(namespace, name);
    await until(async () => (await world.refusalOf(namespace, 'new-4')) === 'AddressesExhausted', {
      what: 'exhaustion',
      timeout: 60_000,
    });
    expect(controller.readiness).to.equal(true);
    await world.setPhase(namespace, 'done', { phase: 'Succeeded' });
    await world.setPhase(namespace, 'evicted', { phase: 'Failed', reason: 'Evicted' });
    await world.deletePod(namespace, 'forced');
    await world.deletePod(namespace, 'stuck', 1);
    const addresses = new Set<string | undefined>();
    for (const name of ['new-1', 'new-2', 'new-3', 'new-4']) {
      addresses.add((await world.allocated(namespace, name))['nauti.io/ip_address']);
    }
    expect(addresses.size).to.equal(4);
    // A finished pod that is still listed shows no address that is another's by now.
    expect(await world.annotations(namespace, 'done')).to.deep.equal({});
    expect(await world.annotations(namespace, 'evicted')).to.deep.equal({});
    expect(Object.keys(await ports()).sort()).to.deep.equal(
      ['new-1', 'new-2', 'new-3', 'new-4'].map(name => `${name}.${namespace}`),
    );
  });

  it('again to a pod of a StatefulSet, also by another leader', async () => {
    const first = await world.start({ cidrChange: 'renumber' });
    const namespace = await world.namespace();
    const metadata = {
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid: 'd1', controller: true },
      ],
    };
    await world.createPod(namespace, 'db-0', { metadata });
    const before = await world.allocated(namespace, 'db-0');
    await world.deletePod(namespace, 'db-0');
    await world.createPod(namespace, 'other-1');
    await world.allocated(namespace, 'other-1');
    await world.createPod(namespace, 'db-0', { metadata });
    expect(await world.allocated(namespace, 'db-0')).to.deep.equal(before);
    await world.deletePod(namespace, 'db-0');
    await until(async () => (await ports())[`db-0.${namespace}`] === undefined, {
      what: 'the port going',
      timeout: 60_000,
    });
    await first.stop();
    await world.start();
    await world.createPod(namespace, 'other-2');
    await world.allocated(namespace, 'other-2');
    await world.createPod(namespace, 'db-0', { metadata });
    expect(await world.allocated(namespace, 'db-0')).to.deep.equal(before);
  });

  it('and heals annotations that are removed or changed by hand, but for while Nauti is taken away', async () => {
    await world.start();
    const namespace = await world.namespace();
    await world.createPod(namespace, 'a');
    const before = await world.allocated(namespace, 'a');
    const removed = Object.fromEntries(Object.keys(before).map(name => [name, null]));
    await world.annotate(namespace, 'a', removed);
    expect(await world.allocated(namespace, 'a')).to.deep.equal(before);
    await world.annotate(namespace, 'a', {
      'nauti.io/ip_address': '10.113.0.1',
      'nauti.io/gateway': '10.113.0.66',
    });
    await until(
      async () => JSON.stringify(await world.annotations(namespace, 'a')) === JSON.stringify(before),
      {
        what: 'the annotations being healed',
        timeout: 60_000,
      },
    );

    const uninstalling = (value: string | null) =>
      world.admin.patch(
        namespaces,
        { name: systemNamespace },
        {
          contentType: 'application/merge-patch+json',
          body: { metadata: { annotations: { 'nauti.io/uninstalling': value } } },
        },
      );
    await uninstalling('true');
    // A pod that comes later tells when the controller has seen it.
    await until(
      async () => {
        await world.annotate(namespace, 'a', removed);
        return await until(
          async () => (await world.annotations(namespace, 'a'))['nauti.io/allocated'] === 'true',
          {
            what: 'healing',
            timeout: 300,
            interval: 20,
          },
        ).then(
          () => false,
          () => true,
        );
      },
      { what: 'the annotations staying away', timeout: 60_000 },
    );
    await uninstalling(null);
    expect(await world.allocated(namespace, 'a')).to.deep.equal(before);
  });

  it('and leaves foreign ports alone, their addresses and their names', async () => {
    const namespace = await world.namespace();
    const transaction = new Transaction<DB>();
    const foreign = transaction.insert('Logical_Switch_Port', {
      name: `taken.${namespace}`,
      addresses: ['02:00:00:00:00:01 10.113.200.200'],
      external_ids: { vendor: 'kube-ovn', pod: `${namespace}/taken` },
    });
    transaction.insert('Logical_Switch', { name: 'theirs', ports: [foreign] });
    await world.ovn.nb.transact(transaction);
    await world.start();
    await world.createPod(namespace, 'wish', {
      metadata: { annotations: { 'nauti.io/ip_address': '10.113.200.200' } },
    });
    await world.createPod(namespace, 'taken');
    await until(async () => (await world.refusalOf(namespace, 'wish')) === 'AddressTaken', {
      what: 'the refusal',
      timeout: 60_000,
    });
    await until(async () => (await world.refusalOf(namespace, 'taken')) === 'PortNameTaken', {
      what: 'the refusal',
      timeout: 60_000,
    });
    expect((await ports())[`taken.${namespace}`]).to.contain('vendor,kube-ovn');
    const removal = new Transaction<DB>();
    removal.delete('Logical_Switch', [['name', '==', 'theirs']]);
    await world.ovn.nb.transact(removal);
    expect((await world.allocated(namespace, 'wish'))['nauti.io/ip_address']).to.equal('10.113.200.200');
    await world.allocated(namespace, 'taken', 60_000);
  });

  it('and repairs what others do to its ports', async () => {
    await world.start();
    const namespace = await world.namespace();
    await world.createPod(namespace, 'a');
    await world.createPod(namespace, 'b');
    await world.allocated(namespace, 'a');
    await world.allocated(namespace, 'b');
    const before = await ports();
    const meddling = new Transaction<DB>();
    meddling.update('Logical_Switch_Port', [['name', '==', `a.${namespace}`]], {
      addresses: ['unknown'],
      port_security: [],
      external_ids: { pod: `${namespace}/a`, vendor: 'nauti', note: 'mine' },
    });
    const lost = meddling.select('Logical_Switch_Port', [['name', '==', `b.${namespace}`]], ['_uuid']);
    const [row] = (await world.ovn.nb.transact(meddling)).rows(lost);
    if (row === undefined) throw new Error('no port');
    const removal = new Transaction<DB>();
    removal.mutate('Logical_Switch', [['name', '==', 'default']], [['ports', 'delete', [row._uuid]]]);
    await world.ovn.nb.transact(removal);
    await until(
      async () => {
        const now = await ports();
        return (
          now[`a.${namespace}`]?.replace(' note,mine', '') === before[`a.${namespace}`] &&
          now[`b.${namespace}`] === before[`b.${namespace}`]
        );
      },
      { what: 'the repair', timeout: 60_000, detail: async () => JSON.stringify([before, await ports()]) },
    );
  });
});
