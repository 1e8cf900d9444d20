import { expect } from 'chai';
import type { AddressBook } from './address-book.ts';
import { ownerOfPort, type PortRow } from './desired-port.ts';
import type { PortOwner } from './port-owner.ts';
import { isDone, planPorts } from './port-plan.ts';
import { rebuildBook } from './rebuild-book.ts';
import { book, ip, network, node, pod, port } from './testing/samples.ts';

const wallNow = Date.parse('2026-01-01T00:01:00Z');

function world(
  owners: readonly PortOwner[],
  ports: readonly PortRow[],
  of: AddressBook = book('10.113.0.0/24'),
) {
  const byKey = new Map(owners.map(one => [one.key, one]));
  const isOctopus = (one: PortOwner) => 'serviceAccount' in one && one.serviceAccount === 'octopus';
  const gateways = new Set(owners.filter(isOctopus).map(({ key }) => key));
  return {
    owner: (key: string) => byKey.get(key),
    portsOf: (key: string) => ports.filter(one => ownerOfPort(one) === key),
    portNamed: (name: string) => ports.find(candidate => candidate.name === name),
    mayBeGateway: ({ key }: PortOwner) => gateways.has(key),
    book: of,
    now: 0,
    wallNow,
  };
}

const right = '0a:58:0a:71:00:03 10.113.0.3';

describe('port plan', () => {
  it('creates what is missing, by the contract', () => {
    const plan = planPorts(['demo/a'], world([pod('demo/a')], []));
    expect(plan.create).to.deep.equal([
      {
        key: 'demo/a',
        port: {
          name: 'a.demo',
          addresses: [right],
          portSecurity: [right],
          externalIds: { pod: 'demo/a', ls: 'default', vendor: 'nauti' },
        },
      },
    ]);
    expect(plan.served).to.deep.equal(['demo/a']);
  });

  it('has nothing to do where all is as it should be, whatever else stands on the port', () => {
    const existing = port('demo/a', right, { port_security: [right] });
    const noted = { ...existing, external_ids: new Map([...existing.external_ids, ['somebody', 'else']]) };
    const plan = planPorts(['demo/a'], world([pod('demo/a')], [noted]));
    expect(isDone(plan)).to.equal(true);
    expect(plan.served).to.deep.equal(['demo/a']);
  });

  const spoilt: readonly (readonly [string, Partial<PortRow>])[] = [
    ['another address', { addresses: ['0a:58:0a:71:00:09 10.113.0.9'] }],
    ['a second address', { addresses: [right, 'unknown'] }],
    ['no port security', { port_security: [] }],
    ['another name', { name: 'b.demo' }],
  ];
  for (const [what, fields] of spoilt) {
    it(`repairs a port with ${what}`, () => {
      const plan = planPorts(['demo/a'], world([pod('demo/a')], [port('demo/a', right, fields)]));
      expect(
        plan.repair.map(({ key, port: { name, addresses } }) => [key, name, ...addresses]),
      ).to.deep.equal([['demo/a', 'a.demo', right]]);
      expect(plan.create).to.deep.equal([]);
    });
  }

  it('removes ports of pods that are gone, finished or long deleted, and releases their addresses', () => {
    const ports = ['gone', 'done', 'stuck'].map(name =>
      port(`demo/${name}`, right, { stateful: name === 'gone' }),
    );
    const pods = [
      pod('demo/done', { phase: 'Succeeded' }),
      pod('demo/stuck', { deletionTimestamp: '2026-01-01T00:00:00Z', grace: 30 }),
    ];
    const plan = planPorts(['demo/gone', 'demo/done', 'demo/stuck'], world(pods, ports));
    expect(plan.remove.map(({ key, isStateful }) => [key, isStateful])).to.deep.equal([
      ['demo/gone', true],
      ['demo/done', false],
      ['demo/stuck', false],
    ]);
    expect(plan.release).to.deep.equal(['demo/gone', 'demo/done', 'demo/stuck']);
    expect(plan.served).to.deep.equal([]);
  });

  it('keeps one port of a pod that has several, the one with its name', () => {
    const [second, first] = [port('demo/a', right, { name: 'x.demo' }), port('demo/a', right)];
    const plan = planPorts(['demo/a'], world([pod('demo/a')], [second, first]));
    expect(plan.remove.map(({ uuid }) => uuid)).to.deep.equal([second._uuid]);
    expect(plan.create.length + plan.repair.length).to.equal(0);
  });

  it('leaves a foreign port alone that has the name', () => {
    const foreign = port('demo/a', '0a:58:0a:71:00:09 10.113.0.9', {
      external_ids: new Map([['vendor', 'kube-ovn']]),
    });
    const plan = planPorts(['demo/a'], world([pod('demo/a')], [foreign]));
    expect(isDone(plan)).to.equal(true);
    expect(plan.refused.map(({ refusal }) => refusal.reason)).to.deep.equal(['PortNameTaken']);
  });

  it('gives the gateway its address and a port that is held to its MAC, by its ServiceAccount only', () => {
    const labels = { 'nauti.io/cnf': 'true' };
    const pods = [pod('n/fake', { labels }), pod('n/gw', { labels, serviceAccount: 'octopus' })];
    const plan = planPorts(['n/fake', 'n/gw'], world(pods, []));
    expect(
      plan.create.map(({ port: { addresses, portSecurity } }) => [...addresses, ...portSecurity]),
    ).to.deep.equal([
      [right, right],
      ['0a:58:0a:71:00:01 10.113.0.1', '0a:58:0a:71:00:01'],
    ]);
  });

  it('gives a node a port of its own, beside a pod that is called like one', () => {
    const owners = [node('a.b'), pod('b/node-a')];
    const { create } = planPorts(['a.b', 'b/node-a'], world(owners, []));
    const second = '0a:58:0a:71:00:04 10.113.0.4';
    expect(create.map(one => one.port)).to.deep.equal([
      {
        name: 'node-a_b',
        addresses: [right],
        portSecurity: [right],
        externalIds: { node: 'a.b', ls: 'default', vendor: 'nauti' },
      },
      {
        name: 'node-a.b',
        addresses: [second],
        portSecurity: [second],
        externalIds: { pod: 'b/node-a', ls: 'default', vendor: 'nauti' },
      },
    ]);
  });

  it('removes the port of a node that is gone, or that is to have none', () => {
    const ports = ['gone', 'none'].map(name => port(name, right));
    const plan = planPorts(['gone', 'none'], world([node('none', { wantsPort: false })], ports));
    expect(plan.remove.map(({ key }) => key)).to.deep.equal(['gone', 'none']);
    expect(plan.release).to.deep.equal(['gone', 'none']);
  });

  it('never takes a node for the gateway', () => {
    const annotations = { 'nauti.io/ip_address': '10.113.0.1', 'nauti.io/allocated': 'true' };
    const { create } = planPorts(['n'], world([node('n', { annotations })], []));
    expect(create.map(one => one.port.addresses)).to.deep.equal([[right]]);
  });

  it('is the same when it is made again', () => {
    const input = world([pod('demo/a'), pod('demo/b')], []);
    expect(planPorts(['demo/a', 'demo/b'], input)).to.deep.equal(planPorts(['demo/a', 'demo/b'], input));
  });

  it('gives 5,000 pods 5,000 addresses in one go', () => {
    const pods = Array.from({ length: 5_000 }, (_, i) => pod(`demo/p${i}`));
    const plan = planPorts(
      pods.map(({ key }) => key),
      world(pods, [], book('10.113.0.0/16')),
    );
    expect(new Set(plan.create.map(({ port: { addresses } }) => addresses[0])).size).to.equal(5_000);
    expect(new Set(plan.create.map(({ port: { name } }) => name)).size).to.equal(5_000);
  });
});

describe('what a leader begins with', () => {
  function rebuilt(
    owners: readonly PortOwner[],
    ports: readonly PortRow[],
    released: Record<string, string> = {},
    mayBeGateway: (owner: PortOwner) => boolean = () => true,
  ) {
    const byKey = new Map(owners.map(one => [one.key, one]));
    return rebuildBook({
      network: network('10.113.0.0/24'),
      quarantineMs: 1_000,
      owners,
      owner: key => byKey.get(key),
      ports,
      released: new Map(Object.entries(released).map(([key, address]) => [key, [ip(address)]])),
      mayBeGateway,
      now: 0,
      wallNow,
    });
  }
  it('keeps the address of a node, whose port or annotations show it', () => {
    const address = '0a:58:0a:71:00:09 10.113.0.9';
    expect(rebuilt([node('n')], [port('n', address)]).get('n')?.addresses).to.deep.equal([ip('10.113.0.9')]);
    const annotated = node('n', { annotations: shown('10.113.0.9') });
    expect(rebuilt([annotated], []).get('n')?.addresses).to.deep.equal([ip('10.113.0.9')]);
  });

  const shown = (address: string, allocated = 'true') => ({
    'nauti.io/ip_address': address,
    'nauti.io/allocated': allocated,
  });

  it('is what ports say, and it is then at rest', () => {
    const pods = Array.from({ length: 20 }, (_, i) =>
      pod(`demo/p${i}`, { annotations: shown('10.113.0.200') }),
    );
    const ports = pods.map(({ key }, i) => {
      // MACs of an earlier life stay too.
      const address = `02:00:00:00:01:${i.toString(16).padStart(2, '0')} 10.113.0.${100 + i}`;
      return port(key, address);
    });
    const plan = planPorts(
      pods.map(({ key }) => key),
      world(pods, ports, rebuilt(pods, ports)),
    );
    expect(isDone(plan)).to.equal(true);
    expect(plan.served).to.have.length(20);
  });

  it('is what running pods show where ports are lost, the oldest first', () => {
    const pods = [
      pod('demo/thief', { annotations: shown('10.113.0.50'), createdAt: '2026-01-01T00:00:30Z' }),
      pod('demo/owner', { annotations: shown('10.113.0.50'), createdAt: '2026-01-01T00:00:10Z' }),
      pod('demo/wish', { annotations: shown('10.113.0.60', 'false') }),
      pod('demo/done', { annotations: shown('10.113.0.61'), phase: 'Succeeded' }),
    ];
    const built = rebuilt(pods, []);
    expect(built.get('demo/owner')?.addresses).to.deep.equal([ip('10.113.0.50')]);
    expect(built.get('demo/thief')?.addresses).to.not.deep.equal([ip('10.113.0.50')]);
    expect(built.get('demo/wish')).to.equal(undefined);
    expect(built.get('demo/done')).to.equal(undefined);
  });

  it('gives each of several gateways an address of its own and a port that is held to its MAC, also after a restart', () => {
    const labels = { 'nauti.io/cnf': 'true', 'nauti.io/gateway-address': 'elected' };
    const pods = [
      pod('n/fake', { labels }),
      ...['n/gw-a', 'n/gw-b'].map(key => pod(key, { labels, serviceAccount: 'octopus' })),
    ];
    const keys = pods.map(({ key }) => key);
    const { create } = planPorts(keys, world(pods, []));
    const [fake, first, second] = [3, 4, 5].map(n => `0a:58:0a:71:00:0${n} 10.113.0.${n}`);
    expect(create.map(one => [...one.port.addresses, ...one.port.portSecurity])).to.deep.equal([
      [fake, fake],
      [first, '0a:58:0a:71:00:04'],
      [second, '0a:58:0a:71:00:05'],
    ]);
    const ports = create.map(one => ({
      ...port(one.key, one.port.addresses[0] ?? ''),
      port_security: one.port.portSecurity,
    }));
    expect(
      isDone(
        planPorts(
          keys,
          world(
            pods,
            ports,
            rebuilt(pods, ports, {}, one => one.key !== 'n/fake'),
          ),
        ),
      ),
    ).to.equal(true);
  });

  it('gives a gateway that has become a candidate an address of its own instead', () => {
    const gateway = '0a:58:0a:71:00:01 10.113.0.1';
    const annotations = { 'nauti.io/ip_address': '10.113.0.1', 'nauti.io/allocated': 'true' };
    const labels = { 'nauti.io/cnf': 'true', 'nauti.io/gateway-address': 'elected' };
    const pods = [pod('n/gw', { labels, annotations, serviceAccount: 'octopus' })];
    const ports = [port('n/gw', gateway)];
    const { repair } = planPorts(['n/gw'], world(pods, ports, rebuilt(pods, ports)));
    expect(repair.map(one => one.port.addresses)).to.deep.equal([[right]]);
  });

  it('gives the younger of two ports with one address another', () => {
    const pods = [pod('demo/young', { createdAt: '2026-01-01T00:00:30Z' }), pod('demo/old')];
    const ports = pods.map(({ key }) => port(key, '0a:58:0a:71:00:09 10.113.0.9'));
    const built = rebuilt(pods, ports);
    const plan = planPorts(['demo/young', 'demo/old'], world(pods, ports, built));
    expect(plan.repair.map(({ key }) => key)).to.deep.equal(['demo/young']);
  });

  it('is the port of its name where a pod has several', () => {
    const copy = { ...port('demo/a', '0a:58:0a:71:00:09 10.113.0.9'), name: 'copy' };
    const own = port('demo/a', '0a:58:0a:71:00:07 10.113.0.7');
    for (const ports of [
      [copy, own],
      [own, copy],
    ])
      expect(rebuilt([pod('demo/a')], ports).get('demo/a')?.addresses).to.deep.equal([ip('10.113.0.7')]);
  });

  it('holds the addresses of orphans until they are removed, then keeps them back for a while', () => {
    const orphan = port('demo/gone', '0a:58:0a:71:00:09 10.113.0.9');
    const built = rebuilt([], [orphan]);
    const wish = { kind: 'addresses', addresses: [ip('10.113.0.9')], isAllocated: false } as const;
    expect(built.assign({ key: 'demo/new', wish, role: 'none' }, 0)).to.include({
      reason: 'AddressTaken',
    });
    const plan = planPorts(['demo/gone'], world([], [orphan], built));
    expect(plan.remove).to.have.length(1);
    built.release('demo/gone', 0);
    expect(built.assign({ key: 'demo/new', wish, role: 'none' }, 500)).to.include({
      reason: 'AddressTaken',
    });
    expect(built.assign({ key: 'demo/new', wish, role: 'none' }, 1_000)).to.include({ gateway: false });
  });

  it('remembers the pods of StatefulSets, and keeps away from foreign ports', () => {
    const foreign = port('demo/x', '0a:58:0a:71:00:03 10.113.0.3', {
      external_ids: new Map([['vendor', 'kube-ovn']]),
    });
    const built = rebuilt([], [foreign], { 'demo/db-0': '10.113.0.9' });
    const none = { kind: 'none' } as const;
    expect(built.assign({ key: 'demo/new', wish: none, role: 'none' }, 0)).to.deep.include({
      addresses: [ip('10.113.0.10')],
    });
    expect(built.assign({ key: 'demo/db-0', wish: none, role: 'none' }, 0)).to.deep.include({
      addresses: [ip('10.113.0.9')],
    });
  });
});
