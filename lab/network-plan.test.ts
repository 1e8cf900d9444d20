import { expect } from 'chai';
import { conflictingRoute } from './network.ts';
import { type NamespacePlan, planNetwork } from './network-plan.ts';
import { describeTopology, type PodNetworks } from './topology.ts';

function planOf(name: string, mode: PodNetworks = 'routed'): NamespacePlan {
  const found = planNetwork(describeTopology(mode)).find(plan => plan.name === name);
  if (found === undefined) throw new Error(`no plan for ${name}`);
  return found;
}

describe('network plan', () => {
  it('has a namespace for the fabric, each control plane and each node, and one device on the machine', () => {
    const plans = planNetwork(describeTopology('routed'));
    expect(plans.map(({ name }) => name)).to.eql([
      undefined,
      'nauti-fabric',
      ...['nauti-hub', 'nauti-cluster1', 'nauti-cluster2'],
      ...['nauti-hub-node1', 'nauti-cluster1-node1', 'nauti-cluster1-node2', 'nauti-cluster2-node1'],
    ]);
    expect(plans[0]?.links.map(({ name }) => name)).to.eql(['nauti0']);
  });

  it('gives devices names that the kernel takes, none twice', () => {
    const names = planOf('nauti-fabric').links.map(({ name }) => name);
    expect(new Set(names).size).to.equal(names.length);
    for (const name of names) expect(name.length).to.be.lessThan(16);
  });

  it('connects every eth0 and eth1 to the fabric', () => {
    const ends = planOf('nauti-fabric').links.flatMap(
      ({ add }) => /peer name (eth\d) netns (\S+)/.exec(add)?.slice(1).join(' ') ?? [],
    );
    expect(ends).to.include.members(['eth0 nauti-hub', 'eth0 nauti-hub-node1', 'eth1 nauti-hub-node1']);
    expect(ends.filter(end => end.startsWith('eth1'))).to.have.length(4);
  });

  it('routes to the pods of all other nodes where pod networks are routed', () => {
    const { settings } = planOf('nauti-cluster1-node1');
    expect(settings).to.include('route replace 10.241.1.0/24 via 198.51.100.22');
    expect(settings).to.include('route replace 10.242.0.0/24 via 198.51.100.31');
    expect(settings.join('\n')).not.to.contain('10.241.0.0/24');
  });

  it('routes to pods of the own cluster only where pod networks overlap', () => {
    const routes = planOf('nauti-cluster1-node1', 'overlapping').settings.filter(line =>
      line.includes('10.244.'),
    );
    expect(routes).to.eql(['route replace 10.244.1.0/24 via 198.51.100.22']);
    expect(
      planOf('nauti-cluster2-node1', 'overlapping').settings.filter(line => line.includes('10.244.')),
    ).to.eql([]);
  });

  it('has a router before a cluster that is behind a NAT, and no other way in', () => {
    expect(planOf('nauti-cluster2-node1').settings.join('\n')).not.to.contain('198.51.100.39');
    const rules = planOf('nauti-nat-cluster2', 'overlapping').rules;
    expect(rules).to.contain('ip saddr { 198.51.100.30, 198.51.100.31 } masquerade fully-random');
    expect(rules).to.contain('policy drop;');
    const behind = planOf('nauti-cluster2-node1', 'overlapping').settings;
    expect(behind).to.include.members([
      'route replace 198.51.100.10 via 198.51.100.39',
      'route replace 198.51.100.22 via 198.51.100.39',
    ]);
    const before = planOf('nauti-hub-node1', 'overlapping').settings;
    expect(before).to.include.members([
      'route replace unreachable 198.51.100.30',
      'route replace unreachable 198.51.100.31',
    ]);
    expect(before.join('\n')).not.to.contain('198.51.100.39');
  });

  it('lets pods keep their address to pods, and no further', () => {
    expect(planOf('nauti-cluster2-node1').rules).to.contain(
      'ip saddr 10.242.0.0/24 ip daddr != { 10.240.0.0/16, 10.241.0.0/16, 10.242.0.0/16 } masquerade',
    );
    expect(planOf('nauti-cluster2-node1', 'overlapping').rules).to.contain(
      'ip daddr != { 10.244.0.0/16 } masquerade',
    );
  });

  it('sets only what may be set again, as "up" does', () => {
    for (const { settings } of (['routed', 'overlapping'] as const).flatMap(mode =>
      planNetwork(describeTopology(mode)),
    )) {
      for (const line of settings) expect(line).to.match(/^(addr replace|route replace|link set) /);
    }
  });

  it("finds a use of the nodes' network that is not the lab's", () => {
    expect(
      conflictingRoute([
        { dst: 'default', dev: 'eth0' },
        { dst: '198.51.100.0/24', dev: 'nauti0' },
      ]),
    ).to.equal(undefined);
    expect(conflictingRoute([{ dst: '198.51.100.128/25', dev: 'tun0' }])).to.eql({
      dst: '198.51.100.128/25',
      dev: 'tun0',
    });
  });
});
