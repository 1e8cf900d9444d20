import { expect } from 'chai';
import { clusterDnsObjects } from './cluster-dns.ts';
import { clusterNamed, describeTopology } from './topology.ts';

const cluster = clusterNamed(describeTopology('routed'), 'cluster1');

describe('cluster DNS', () => {
  it('looks as kubeadm makes it', () => {
    const objects = clusterDnsObjects(cluster) as {
      kind: string;
      metadata: { name: string; namespace?: string };
      spec?: unknown;
    }[];
    const find = (kind: string) => objects.find(object => object.kind === kind);
    expect(find('Service')).to.have.nested.property('metadata.name', 'kube-dns');
    expect(find('Service')).to.have.nested.property('spec.clusterIP', '10.96.0.10');
    expect(find('ConfigMap')).to.have.nested.property('metadata.name', 'coredns');
    expect(find('ConfigMap'))
      .to.have.nested.property('data.Corefile')
      .that.contains('kubernetes cluster.local in-addr.arpa ip6.arpa');
    expect(find('Deployment')).to.have.nested.property('spec.replicas', 2);
    expect(objects.at(-1)?.kind).to.equal('Deployment');
  });
});
