import { expect } from 'chai';
import { parse } from 'yaml';
import { isInit } from './node.ts';
import { nodeFiles, nodeObject } from './node-plan.ts';
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
