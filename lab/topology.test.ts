import { expect } from 'chai';
import { allNodes, clusterNamed, clusterNames, describeTopology, nodeNamed } from './topology.ts';

describe('topology', () => {
  it('has a hub of one node, cluster1 of two and cluster2 of one', () => {
    const { clusters } = describeTopology('routed');
    expect(clusters.map(({ name, nodes }) => [name, nodes.length])).to.eql([
      ['hub', 1],
      ['cluster1', 2],
      ['cluster2', 1],
    ]);
  });

  it('gives every machine and every routed pod network an address of its own', () => {
    const topology = describeTopology('routed');
    const nodes = allNodes(topology);
    const addresses = [
      ...topology.clusters.map(({ address }) => address),
      ...nodes.flatMap(({ address, secondAddress, podCidr }) => [address, secondAddress, podCidr]),
    ];
    expect(new Set(addresses).size).to.equal(addresses.length);
  });

  it('cuts pod CIDRs of nodes from that of their cluster', () => {
    for (const mode of ['routed', 'overlapping'] as const) {
      for (const { podCidr, nodes } of describeTopology(mode).clusters) {
        const network = podCidr.replace('.0.0/16', '.');
        for (const node of nodes) expect(node.podCidr).to.match(new RegExp(`^${network}\\d+\\.0/24$`));
      }
    }
  });

  it('lets pod networks overlap on demand', () => {
    const { clusters } = describeTopology('overlapping');
    expect(new Set(clusters.map(({ podCidr }) => podCidr))).to.eql(new Set(['10.244.0.0/16']));
    expect(new Set(clusters.map(({ nodes }) => nodes[0]?.podCidr))).to.have.length(1);
  });

  it('has a third cluster where it is asked for', () => {
    const { clusters } = describeTopology('routed', clusterNames);
    expect(clusters.map(({ name }) => name)).to.eql(['hub', 'cluster1', 'cluster2', 'cluster3']);
  });

  it('keeps the addresses of a cluster whichever others are there', () => {
    const [alone] = describeTopology('routed', ['cluster2']).clusters;
    expect(alone).to.eql(clusterNamed(describeTopology('routed'), 'cluster2'));
  });

  it('names what there is where a name is wrong', () => {
    expect(() => describeTopology('routed', ['hub', 'x'])).to.throw(`one of ${clusterNames.join(', ')}`);
    const topology = describeTopology('routed', ['hub']);
    expect(() => clusterNamed(topology, 'cluster1')).to.throw('must be one of hub');
    expect(() => nodeNamed(topology, 'hub')).to.throw('must be one of hub-node1');
    expect(nodeNamed(topology, 'hub-node1').address).to.equal('198.51.100.11');
  });
});
