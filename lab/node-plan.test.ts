import { expect } from 'chai';
import { parse } from 'yaml';
import { clusterDnsObjects } from './cluster-dns.ts';
import { isInit } from './node.ts';
import { nodeFiles, nodeObject } from './node-plan.ts';
import { isReady } from './node-state.ts';
import { clusterNamed, describeTopology, nodeNamed } from './topology.ts';

const topology = describeTopology('routed');
const cluster = clusterNamed(topology, 'cluster1');
const node = nodeNamed(topology, 'cluster1-node2');
const files = nodeFiles({ node, cluster, cgroupRoot: '/nauti-lab/cluster1-node2' });

describe('node plan', () => {
  it("gives pods addresses of the CIDR that routes lead to, from an allocation of the node's own", () => {
    const { plugins } = JSON.parse(files['/etc/cni/net.d/10-nauti-lab.conflist'] ?? '');
    expect(plugins[0].ipam).to.include({ dataDir: '/run/ipam' });
    expect(plugins[0].ipam.ranges).to.eql([[{ subnet: '10.241.1.0/24' }]]);
    expect(nodeObject(node)).to.have.nested.property('spec.podCIDR', '10.241.1.0/24');
  });

  it('keeps the kubelet in its cgroup and lets gateways forward', () => {
    const kubelet = parse(files['/etc/kubernetes/kubelet.yaml'] ?? '');
    expect(kubelet.cgroupRoot).to.equal('/nauti-lab/cluster1-node2');
    expect(kubelet.allowedUnsafeSysctls).to.include('net.ipv4.ip_forward');
    expect(kubelet.clusterDNS).to.eql(['10.96.0.10']);
  });

  it("uses nftables for Services and leaves the machine's connection tracking alone", () => {
    const proxy = parse(files['/etc/kubernetes/kube-proxy.yaml'] ?? '');
    expect(proxy.mode).to.equal('nftables');
    expect(proxy.conntrack).to.eql({ maxPerCore: 0, min: 0 });
  });

  it('serves NRI where plugins look for it', () => {
    expect(files['/etc/containerd/config.toml']).to.contain('socket_path = "/var/run/nri/nri.sock"');
  });

  it('tells the init of a node from other processes', () => {
    expect(isInit('Name:\tsh\nNSpid:\t4711\t1\n')).to.equal(true);
    expect(isInit('Name:\tunshare\nNSpid:\t4710\n')).to.equal(false);
    expect(isInit('Name:\tpause\nNSpid:\t4800\t90\t1\n')).to.equal(false);
    expect(isInit('Name:\tkubelet\nNSpid:\t4800\t90\n')).to.equal(false);
  });
});

describe('node state', () => {
  const state = (status: string, lastHeartbeatTime: string) => ({
    status: {
      conditions: [
        { type: 'DiskPressure', status: 'False' },
        { type: 'Ready', status, lastHeartbeatTime },
      ],
    },
  });
  const lease = (renewTime: string) => ({ spec: { renewTime } });
  const boot = Date.parse('2026-01-01T00:00:10.500Z');

  it('believes the condition where nothing was booted', () => {
    expect(isReady(state('True', '2026-01-01T00:00:00Z'), undefined)).to.equal(true);
    expect(isReady(state('False', '2026-01-01T00:00:00Z'), undefined)).to.equal(false);
    expect(isReady({}, undefined)).to.equal(false);
    expect(isReady(undefined, undefined)).to.equal(false);
  });

  it('does not believe what the node said before its boot', () => {
    const fresh = lease('2026-01-01T00:00:11.000000Z');
    expect(isReady(state('True', '2026-01-01T00:00:05Z'), fresh, boot)).to.equal(false);
    expect(
      isReady(state('True', '2026-01-01T00:00:10Z'), lease('2026-01-01T00:00:10.100000Z'), boot),
    ).to.equal(false);
    expect(isReady(state('True', '2026-01-01T00:00:11Z'), undefined, boot)).to.equal(false);
    expect(isReady(state('True', '2026-01-01T00:00:11Z'), fresh, boot)).to.equal(true);
  });
});

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
