import { expect } from 'chai';
import { Cluster } from '../../demo/cluster.ts';
import { Journal } from '../../demo/journal.ts';
import { directTunnel, tunnelOf } from '../../demo/tunnel.ts';
import { run as runHere, tryRun } from '../../lab/command.ts';
import { eventually } from './eventually.ts';
import { kubectl, readJson } from './kubectl.ts';
import { dropNamespace, freshNamespace } from './namespaces.ts';
import { run, secondAddress, startToolbox, type Toolbox } from './toolbox.ts';
import { rowOf, type Seen, Traffic, tableHead } from './traffic.ts';

const namespace = 'e2e-tunnels';
const router = 'nauti-nat-cluster2';
/** Packets, one each 10 ms: a gateway takes over in twice that time. On a busy machine packets come late, and are not lost. */
const lostByOutage = 60;
const [publicNodes, natAddress, listenPort] = ['198.51.100.21, 198.51.100.22', '198.51.100.39', 31_820];

/** Between cluster1, whose nodes can be dialled, and cluster2, which is behind a NAT. */
describe('tunnels between clusters', function () {
  this.timeout(300_000);
  const stop = new AbortController();
  const journal = new Journal('/dev/null');
  const hub = new Cluster('hub', journal, stop.signal);
  const rows: string[] = [];
  let client: Toolbox;
  let server: Toolbox;
  let address = '';

  before(async () => {
    await freshNamespace(namespace, ['cluster1', 'cluster2']);
    [server, client] = await Promise.all([
      startToolbox('cluster1', namespace, 'server'),
      startToolbox('cluster2', namespace, 'client'),
    ]);
    await directTunnel(hub, 'cluster2', 'cluster1');
    address = await secondAddress(server);
  });

  after(async () => {
    await tryRun('ip', ['netns', 'exec', router, 'nft', 'delete', 'table', 'ip', 'e2e_cut']);
    await dropNamespace(namespace, ['cluster1', 'cluster2']);
    stop.abort();
    await journal.close();
    process.stdout.write(`\n${tableHead}\n${rows.join('\n')}\n\n`);
  });

  /** Waits until packets take the direct tunnel, whatever a gateway that is gone has said: by the hub they pass one more. */
  const takesDirectTunnel = () =>
    eventually(
      'packets passing two gateways',
      60_000,
      () => run(client, 'ping', '-n', '-c', '1', '-W', '1', address),
      ({ stdout }) => stdout.includes('ttl=62 '),
    );

  /** Traffic while something happens, and until it flows again. */
  async function during(what: string, work: () => Promise<unknown>): Promise<Seen> {
    const traffic = await Traffic.start(client, server, address);
    try {
      await work();
      await traffic.flows(100);
    } catch (error) {
      await traffic.end();
      throw error;
    }
    const seen = await traffic.end();
    rows.push(rowOf(what, seen));
    expect(seen.stallMs, `${what}: the TCP connection`).to.be.a('number');
    return seen;
  }

  /** Kills the gateway that carries the tunnels, without grace. */
  async function killActive(cluster: 'hub' | 'cluster2', lease: string): Promise<void> {
    const holder = () =>
      kubectl(cluster, [
        'get',
        'lease',
        lease,
        '-n',
        'nauti-system',
        '-o',
        'jsonpath={.spec.holderIdentity}',
      ]);
    const active = await holder();
    await kubectl(cluster, ['delete', 'pod', active, '-n', 'nauti-system', '--force', '--grace-period=0']);
    await eventually('another gateway having the lease', 60_000, holder, now => now !== '' && now !== active);
  }

  it('are between clusters that have a CIDR of their own each', async () => {
    const { items } = (await readJson('hub', ['peers', '-n', 'syncer-operator'])) as {
      items: { metadata: { name: string }; spec: { cluster_cidr: string[] } }[];
    };
    const blocks = items
      .filter(({ metadata }) => metadata.name !== 'hub')
      .map(({ spec }) => spec.cluster_cidr);
    expect(blocks.length).to.be.greaterThan(1);
    expect(new Set(blocks.map(([v4]) => v4))).to.have.property('size', blocks.length);
    for (const [v4 = '', v6 = ''] of blocks) {
      expect(v4).to.match(/^10\.1(1[2-9]|2[0-7])\.0\.0\/16$/);
      expect(v6).to.match(/^fd00:10:110:.*\/64$/);
    }
  });

  it('is dialled by who is behind the NAT, and seen there as the router', async () => {
    const there = await tunnelOf(hub, 'cluster2', 'cluster1');
    const back = await tunnelOf(hub, 'cluster1', 'cluster2');
    expect(there?.endpoint).to.match(/^198\.51\.100\.2[12]:31820$/);
    expect(back?.endpoint).to.match(new RegExp(`^${natAddress.replaceAll('.', '\\.')}:\\d+$`));
  });

  it('goes by the hub while the direct way is cut, and returns to it, and no connection ends', async () => {
    await takesDirectTunnel();
    const seen = await during('direct link cut', async () => {
      const rules = [
        'table ip e2e_cut {',
        'chain c {',
        'type filter hook forward priority filter - 10',
        `ip daddr { ${publicNodes} } udp dport ${listenPort} drop`,
        `ip saddr { ${publicNodes} } udp sport ${listenPort} drop`,
        '}',
        '}',
        '',
      ].join('\n');
      await runHere('ip', ['netns', 'exec', router, 'nft', '-f', '-'], { input: rules });
      await eventually(
        'packets by the hub',
        60_000,
        () => tunnelOf(hub, 'cluster2', 'cluster1'),
        tunnel => tunnel?.path === 'Relayed',
      );
    });
    // Five probes, one a second, without an answer.
    expect(seen.longestMs).to.be.below(12_000);
    const restored = await during('direct link restored', async () => {
      await runHere('ip', ['netns', 'exec', router, 'nft', 'delete', 'table', 'ip', 'e2e_cut']);
      await directTunnel(hub, 'cluster2', 'cluster1');
    });
    expect(restored.lost).to.be.below(lostByOutage);
    await takesDirectTunnel();
  });

  it('survives the death of the gateway', async () => {
    const seen = await during('gateway pod of cluster2 killed', () =>
      killActive('cluster2', 'nauti-octopus'),
    );
    expect(seen.longestMs).to.be.below(9_000);
  });

  it("loses nothing on a direct tunnel while the hub's gateway dies", async () => {
    await takesDirectTunnel();
    const seen = await during("hub's gateway killed, direct tunnel", () =>
      killActive('hub', 'nauti-hub-octopus'),
    );
    expect(seen.lost).to.be.below(lostByOutage);
  });

  it('say by which load balancer they are reached, where the Service has one, and no longer', async () => {
    const service = ['nauti-octopus', '-n', 'nauti-system', '--type=merge'];
    const endpoint = () =>
      kubectl('hub', ['get', 'peer', 'cluster2', '-n', 'syncer-operator', '-o', 'jsonpath={.spec.endpoint}']);
    expect(await endpoint()).to.equal('');
    await kubectl('cluster2', ['patch', 'service', ...service, '-p', '{"spec":{"type":"LoadBalancer"}}']);
    // In the place of a cloud, which the lab has none of: it writes where its load balancer is.
    const status = { loadBalancer: { ingress: [{ hostname: 'gateway.cluster2.example' }] } };
    await kubectl('cluster2', [
      ...['patch', 'service', ...service, '--subresource=status'],
      ...['-p', JSON.stringify({ status })],
    ]);
    await eventually('its name', 60_000, endpoint, text => text === 'gateway.cluster2.example');
    await kubectl('cluster2', ['patch', 'service', ...service, '-p', '{"spec":{"type":"NodePort"}}']);
    await eventually('no endpoint', 60_000, endpoint, text => text === '');
  });
});
