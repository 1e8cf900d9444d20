import { expect } from 'chai';
import { decideAttachment, isNothingToDo } from './attachment.ts';
import { interfaceName } from './interface-name.ts';
import { type NicPlan, nicMtu, routeMtu } from './nic-plan.ts';
import { repairNic, setUpLines } from './nic-repair.ts';
import type { SwitchPort } from './node-switch.ts';
import { type ObservedLink, type ObservedNamespace, readNamespace } from './observed-nic.ts';
import { findOrphans } from './orphans.ts';
import type { Sandbox } from './sandbox.ts';
import { findUnderlay, firstNicMtu } from './underlay.ts';

const plan: NicPlan = {
  mac: '0a:58:0a:71:00:05',
  mtu: 1442,
  addresses: ['10.113.0.5/16', 'fd00:10:113::5/64'],
  routes: [{ destination: '10.112.0.0/12', gateway: '10.113.0.1', mtu: 1420 }],
  ownChecksums: true,
};

const sandbox: Sandbox = {
  id: 'abc',
  uid: '5b4d8a2e-0000-4000-8000-000000000001',
  namespace: 'demo',
  name: 'web-0',
  netns: '/run/netns/cni-1',
  annotations: {},
};
const device = interfaceName(sandbox);

const inPod: ObservedLink = {
  name: 'eth-ovn',
  index: 3,
  peerIndex: 20,
  kind: 'veth',
  mac: plan.mac,
  mtu: 1442,
  isUp: true,
  takesArp: true,
  addresses: plan.addresses,
};
const healthyPod: ObservedNamespace = {
  links: [inPod],
  routes: [{ device: 'eth-ovn', destination: '10.112.0.0/12', gateway: '10.113.0.1', mtu: 1420 }],
  leavesChecksums: false,
  takesRouters: false,
};
const hostEnd: ObservedLink = {
  ...inPod,
  name: device,
  index: 20,
  peerIndex: 3,
  mac: '',
  takesArp: false,
  addresses: [],
};
const healthyHost: ObservedNamespace = {
  links: [hostEnd],
  routes: [],
  leavesChecksums: undefined,
  takesRouters: undefined,
};
const port: SwitchPort = {
  name: device,
  sandboxId: 'abc',
  externalIds: new Map(),
  ofport: 7,
  isDead: false,
  isInstalled: true,
};
const healthy = {
  sandbox,
  plan,
  pod: healthyPod,
  host: healthyHost,
  ports: [port],
  hasPort: (name: string) => name === device,
};

describe('the repair of a NIC', () => {
  it('of a healthy one is nothing', () => {
    expect(repairNic(plan, healthyPod)).to.deep.equal({ lines: [], checksums: false, routers: false });
  });

  it('does what differs and no more', () => {
    const pod = {
      ...healthyPod,
      links: [{ ...inPod, mtu: 1500, mac: '02:00:00:00:00:01' }],
      leavesChecksums: true,
      takesRouters: true,
    };
    expect(repairNic(plan, pod)).to.deep.equal({
      lines: ['link set dev eth-ovn address 0a:58:0a:71:00:05', 'link set dev eth-ovn mtu 1442'],
      checksums: true,
      routers: true,
    });
  });

  it('takes other addresses away before it adds, and then sets the routes again', () => {
    const pod = { ...healthyPod, links: [{ ...inPod, addresses: ['10.113.0.9/16', 'fd00:10:113::5/64'] }] };
    expect(repairNic(plan, pod).lines).to.deep.equal([
      'address del 10.113.0.9/16 dev eth-ovn',
      'address add 10.113.0.5/16 dev eth-ovn',
      'route replace 10.112.0.0/12 via 10.113.0.1 dev eth-ovn mtu 1420',
    ]);
  });

  it('leaves the address alone that a gateway has taken, and does not set it', () => {
    const gateway = { ...plan, routes: [], elective: ['10.113.0.1/16'] };
    for (const taken of [[], gateway.elective]) {
      const links = [{ ...inPod, addresses: [...plan.addresses, ...taken] }];
      expect(repairNic(gateway, { ...healthyPod, links }).lines).to.deep.equal([]);
    }
  });

  it('of everything is what a new NIC gets', () => {
    const bare = { ...healthyPod, links: [{ ...inPod, isUp: false, addresses: [] }], routes: [] };
    expect(repairNic(plan, bare).lines).to.deep.equal(setUpLines(plan));
  });
});

describe('the decision over a NIC that may be there', () => {
  it('keeps a healthy one', () => {
    expect(isNothingToDo(decideAttachment(healthy))).to.equal(true);
  });

  it('adds a port where the database lost it', () => {
    const decision = decideAttachment({ ...healthy, ports: [], hasPort: () => false });
    expect(decision).to.include({ kind: 'keep', device, port: 'add' });
  });

  it('makes one where there is none, and removes ports that are left', () => {
    const decision = decideAttachment({ ...healthy, pod: { ...healthyPod, links: [] } });
    expect(decision).to.deep.equal({ kind: 'make', remove: [device], isInTheWay: false });
  });

  it('makes one anew where the switch lost the device', () => {
    const decision = decideAttachment({ ...healthy, ports: [{ ...port, isDead: true }] });
    expect(decision).to.deep.equal({ kind: 'make', remove: [device], isInTheWay: true });
  });

  it("does not take another pod's end for one that a pod made to look like its own", () => {
    const victim = { ...hostEnd, name: interfaceName({ uid: 'other', id: 'other' }) };
    const decision = decideAttachment({
      ...healthy,
      ports: [],
      host: { ...healthyHost, links: [victim] },
      hasPort: name => name === victim.name,
    });
    expect(decision).to.deep.equal({ kind: 'make', remove: [], isInTheWay: true });
    // Nor while the victim's port is lost.
    expect(
      decideAttachment({
        ...healthy,
        ports: [],
        host: { ...healthyHost, links: [victim] },
        hasPort: () => false,
      }).kind,
    ).to.equal('make');
  });

  it('replaces a device of the name that is no end of a veth of ours', () => {
    const decision = decideAttachment({
      ...healthy,
      ports: [],
      pod: { ...healthyPod, links: [{ ...inPod, kind: 'dummy' }] },
    });
    expect(decision).to.deep.equal({ kind: 'make', remove: [], isInTheWay: true });
  });

  it('sets the end on the node up, and lets the node answer no ARP there', () => {
    const decision = decideAttachment({
      ...healthy,
      host: { ...healthyHost, links: [{ ...hostEnd, isUp: false, takesArp: true, mtu: 1500 }] },
    });
    expect(decision).to.deep.include({
      onHost: [
        `link set dev ${device} mtu 1442`,
        `link set dev ${device} arp off`,
        `link set dev ${device} up`,
      ],
    });
  });
});

describe('orphans', () => {
  it('are ports of no sandbox and devices without a port, and nothing of others', () => {
    const stray = interfaceName({ uid: 'x', id: 'x' });
    const gone = interfaceName({ uid: 'y', id: 'y' });
    const link = (name: string, kind = 'veth') => ({ ...hostEnd, name, kind });
    const orphans = findOrphans({
      ports: [port, { ...port, name: gone, sandboxId: 'y' }],
      hasPort: name => name === device || name === gone,
      links: [
        link(device),
        link(gone),
        link(stray),
        link('nautical'),
        link('eth0'),
        link('nautiabcdefghij', 'dummy'),
      ],
      isKnown: id => id === 'abc',
      kept: new Set(),
    });
    expect(orphans).to.deep.equal([gone, stray]);
  });

  it('are not devices that are just being made', () => {
    const made = interfaceName({ uid: 'x', id: 'x' });
    expect(
      findOrphans({
        ports: [],
        hasPort: () => false,
        links: [{ ...hostEnd, name: made }],
        isKnown: () => false,
        kept: new Set([made]),
      }),
    ).to.deep.equal([]);
  });
});

describe('names of host interfaces', () => {
  it('fit the kernel, and are of the pod, its sandbox and the nonce', () => {
    expect(device).to.match(/^nauti[a-z2-7]{10}$/);
    expect(interfaceName(sandbox)).to.equal(device);
    expect(interfaceName({ ...sandbox, id: 'abd' })).not.to.equal(device);
    expect(interfaceName(sandbox, '1')).not.to.equal(device);
  });

  it('of 100,000 pods do not collide', () => {
    const names = Array.from({ length: 100_000 }, (_, i) =>
      interfaceName({ uid: `pod-${i}`, id: 'sandbox' }),
    );
    expect(new Set(names).size).to.equal(100_000);
  });
});

describe('the MTU', () => {
  it('is what the tunnels leave', () => {
    expect(nicMtu(1500, { family: 4 })).to.equal(1442);
    expect(nicMtu(9000, { family: 6 })).to.equal(8922);
    expect(routeMtu(1500)).to.equal(1420);
    expect(routeMtu(1300)).to.equal(1280);
  });

  const host: ObservedNamespace = {
    links: [{ ...hostEnd, name: 'br-phy', mtu: 9000, addresses: ['203.0.113.5/24'] }],
    routes: [],
    leavesChecksums: undefined,
    takesRouters: undefined,
  };
  const sources = {
    mtu: 0,
    routeMtu: 0,
    datapath: 'auto',
    bridgeDatapath: 'netdev',
    encapAddress: '203.0.113.5',
    host,
    podMtu: 1450,
  } as const;

  it('comes from the device with the address of the tunnels', () => {
    expect(findUnderlay(sources)).to.deep.equal({
      kind: 'known',
      underlay: { mtu: 8942, routeMtu: 1370, ownChecksums: true },
    });
  });

  it("of a pod's first NIC is that of eth0, whatever tunnels the pod has made, or where it has another name the smallest", () => {
    const link = (name: string, mtu: number, isUp = true): ObservedLink => ({ ...inPod, name, mtu, isUp });
    const tunnel = link('wg0', 1_420);
    const of = (...links: ObservedLink[]) => firstNicMtu({ ...healthyPod, links });
    expect(of(link('lo', 65_536), tunnel, inPod, link('eth0', 1_500))).to.equal(1_500);
    expect(of(link('lo', 65_536), link('net0', 1_500), tunnel, link('down0', 1_300, false))).to.equal(1_420);
    expect(of(link('lo', 65_536), inPod)).to.equal(undefined);
  });

  it('may be given', () => {
    const given = {
      ...sources,
      mtu: 1400,
      routeMtu: 1350,
      datapath: 'system',
      encapAddress: undefined,
      podMtu: undefined,
    } as const;
    expect(findUnderlay(given)).to.deep.equal({
      kind: 'known',
      underlay: { mtu: 1400, routeMtu: 1350, ownChecksums: false },
    });
  });

  it('is waited for', () => {
    expect(findUnderlay({ ...sources, bridgeDatapath: undefined })).to.deep.equal({
      kind: 'waits',
      reason: 'the bridge',
    });
    expect(findUnderlay({ ...sources, encapAddress: '203.0.113.50' }).kind).to.equal('waits');
    expect(findUnderlay({ ...sources, encapAddress: undefined }).kind).to.equal('waits');
    expect(findUnderlay({ ...sources, mtu: 1442, podMtu: undefined })).to.deep.equal({
      kind: 'needs-pod',
      provisional: { mtu: 1442, routeMtu: 1362, ownChecksums: true },
    });
  });
});

describe('what ip prints', () => {
  it('is read as far as it matters', () => {
    const output = [
      '[{"ifindex":2,"link_index":9,"ifname":"eth-ovn","flags":["UP"],"mtu":1442,"address":"0a:58:0a:71:00:05","linkinfo":{"info_kind":"veth"},"addr_info":[{"local":"10.113.0.5","prefixlen":16,"scope":"global"},{"local":"fe80::1","prefixlen":64,"scope":"link"}]}]',
      '[{"type":"unicast","dst":"10.112.0.0/12","gateway":"10.113.0.1","dev":"eth-ovn","table":"main","metrics":[{"mtu":1420}]},{"dst":"10.0.0.0/8","gateway":"10.1.1.1","dev":"eth0","table":"100"}]',
      'tx-checksumming: on',
      'accept_ra: 2',
      '',
    ].join('\n');
    expect(readNamespace(output)).to.deep.equal({
      links: [
        {
          ...{
            name: 'eth-ovn',
            index: 2,
            peerIndex: 9,
            kind: 'veth',
            mac: '0a:58:0a:71:00:05',
            mtu: 1442,
            isUp: true,
            takesArp: true,
          },
          addresses: ['10.113.0.5/16'],
        },
      ],
      routes: [{ device: 'eth-ovn', destination: '10.112.0.0/12', gateway: '10.113.0.1', mtu: 1420 }],
      leavesChecksums: true,
      takesRouters: true,
    });
    expect(() => readNamespace('[{')).to.throw(SyntaxError);
  });
});
