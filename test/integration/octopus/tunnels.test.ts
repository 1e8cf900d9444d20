/**
 * Four gateways as processes, with whichever WireGuard this machine has: a hub, one public member, one behind a NAT and
 * one behind a symmetric NAT. Pings of 10 ms run while things break. Probes go each 300 ms here, each second by default.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { shareNamespace } from '../../../api/names.ts';
import { peers, secrets } from '../../../api/resource.ts';
import { tryRun } from '../../../lab/command.ts';
import { until } from '../../../lab/until.ts';
import { keyOf } from '../../../octopus/testing/peers.ts';
import type { Outage, Pings } from './network.ts';
import { World } from './world.ts';

const fast = ['--probe-interval', '300ms'];
const pod = { m1: '10.113.0.5', m2: '10.114.0.5', m3: '10.115.0.5' } as const;

describe('octopus: tunnels', function () {
  this.timeout(180_000);
  let world: World;
  const flags: Readonly<Record<string, readonly string[]>> = {
    hub: ['--endpoint', '198.51.100.1', ...fast],
    m1: ['--endpoint', '198.51.100.2', '--key-rotation', '0', ...fast],
    m2: fast,
    m3: fast,
  };
  const start = (id: string) => world.gateway(id, flags[id]);
  const tunnel = async (from: string, to: string) =>
    (await world.peer(from)).status.tunnels.find(({ cluster_id }) => cluster_id === to);
  const path = (from: string, to: string, wanted: 'Direct' | 'Relayed') =>
    until(
      async () => (await tunnel(from, to))?.path === wanted && (await tunnel(to, from))?.path === wanted,
      {
        what: `the path from ${from} to ${to} being ${wanted}`,
        timeout: 60_000,
        detail: () => world.logs(),
      },
    );
  /** Waits until a gateway sends to a block by its own tunnel. */
  const carries = (id: string, block: string) =>
    until(async () => (await world.wg(id, ['show', 'wg0', 'allowed-ips']).catch(() => '')).includes(block), {
      what: `${id} sending to ${block} directly`,
      timeout: 60_000,
      interval: 50,
      detail: () => world.logs(),
    });
  const answers = async (pings: Pings, more: number) => {
    const from = pings.answered;
    await until(() => pings.answered >= from + more, {
      what: `${more} answers`,
      timeout: 60_000,
      interval: 20,
    });
  };
  /** Pings from a pod of m2 while something is done, until answers come again. */
  const during = async (target: string, work: () => Promise<unknown>): Promise<Outage> => {
    const pings = world.network.ping('pod-m2', target);
    try {
      await answers(pings, 20);
      await work();
      await answers(pings, 40);
    } finally {
      await pings.end();
    }
    return await pings.end();
  };

  before(async () => {
    world = await World.start('oct', [
      { id: 'hub', address: '198.51.100.1' },
      { id: 'm1', address: '198.51.100.2', block: '10.113.0.0/16' },
      { id: 'm2', address: '192.168.2.2', nat: 'cone', block: '10.114.0.0/16' },
      { id: 'm3', address: '192.168.3.2', nat: 'symmetric', block: '10.115.0.0/16' },
    ]);
    for (const id of ['hub', 'm1', 'm2']) await start(id);
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
  });

  it('a member behind a NAT reaches a public one, and says which WireGuard it uses', async () => {
    await world.reaches('m2', pod.m1);
    await path('m1', 'm2', 'Direct');
    expect(world.running('m2').log).to.match(/"implementation":"(kernel|wireguard-go)"/);
  });

  it('a third cluster, behind a symmetric NAT, joins while traffic runs', async () => {
    const outage = await during(pod.m1, async () => {
      await start('m3');
      await world.reaches('m3', pod.m1);
    });
    // One that is lost on a busy machine is not the gateways' doing; two in a row would be.
    expect(outage.longestMs).to.be.at.most(10);
  });

  it('two that cannot be dialled meet at the hub; a direct path has a hop less', async () => {
    await world.reaches('m2', pod.m3);
    await path('m1', 'm3', 'Direct');
    const hops = async (target: string) => {
      const text = await world.network.exec('pod-m2', 'ping', ['-n', '-c', '1', '-W', '1', target]);
      return 64 - Number(/ttl=(\d+)/.exec(text)?.[1]);
    };
    expect({ direct: await hops(pod.m1), byHub: await hops(pod.m3) }).to.deep.equal({ direct: 2, byHub: 3 });
  });

  it('what is measured is on the Peer and in the metrics', async () => {
    const measured = await until(
      async () => {
        const found = await tunnel('m1', 'm2');
        return (
          found?.rtt_avg_us !== undefined &&
          found.rx_bytes !== undefined &&
          found.last_handshake !== undefined &&
          found
        );
      },
      {
        what: 'a measured tunnel',
        timeout: 60_000,
        detail: async () => JSON.stringify(await tunnel('m1', 'm2')),
      },
    );
    expect(measured).to.deep.include({ state: 'Connected', path: 'Direct' });
    expect(measured.rtt_min_us).to.be.at.most(measured.rtt_avg_us ?? 0);
    expect(measured.endpoint).to.match(/^198\.51\.100\.102:\d+$/);
    const script =
      "fetch('http://127.0.0.1:9300/metrics').then(r => r.text()).then(t => process.stdout.write(t))";
    const metrics = await world.network.exec('gw-m1', process.execPath, ['-e', script]);
    for (const name of [
      'link_up{cluster="m2"} 1',
      'link_rtt_seconds{cluster="m2"}',
      'link_loss_ratio',
      'link_handshake_age_seconds',
      'link_received_bytes',
      'refused_peers 0',
    ]) {
      expect(metrics).to.include(`nauti_octopus_${name}`);
    }
    const { conditions } = (await world.peer('m1')).status;
    expect(conditions.find(({ type }) => type === 'TunnelAccepted')?.status).to.equal('True');
  });

  it('a cluster reaches pods of others, and no gateway, nor what stands behind one', async () => {
    const reaches = async (target: string, port: number) => {
      const script = `const s = require('net').connect({host:'${target}',port:${port}}, () => process.exit(0)); s.on('error', e => process.exit(e.code === 'ECONNREFUSED' ? 3 : 1)); setTimeout(() => process.exit(2), 700)`;
      return (
        await tryRun('ip', ['netns', 'exec', world.network.name('pod-m2'), process.execPath, '-e', script])
      ).code;
    };
    // Nobody listens at the pod: refused by it, so packets went there and back.
    expect(await reaches(pod.m1, 9_300)).to.equal(3);
    expect(await reaches('10.113.0.1', 9_300)).to.not.be.oneOf([0, 3]);
    expect(await reaches('198.51.100.1', 6_443)).to.not.be.oneOf([0, 3]);
  });

  it('the tunnel takes what fits and says what does not; segments are clamped; DSCP and ECN arrive', async () => {
    const { network } = world;
    const ping = async (size: number) =>
      (
        await tryRun('ip', [
          'netns',
          'exec',
          network.name('pod-m2'),
          'ping',
          '-n',
          '-M',
          'do',
          '-c',
          '1',
          '-W',
          '1',
          '-s',
          String(size),
          pod.m1,
        ])
      ).code;
    expect(await ping(1_420 - 28)).to.equal(0);
    expect(await ping(1_420 - 27)).to.not.equal(0);
    await network.exec('pod-m1', 'nft', ['-f', '-'], {
      input: `table ip seen { chain in { type filter hook input priority filter
        tcp dport 9301 tcp flags syn tcp option maxseg size 1380 counter comment "clamped"
        ip dscp af41 ip ecn ect0 icmp type echo-request counter comment "marked"
      }; }\n`,
    });
    // The pod's own route has an MTU too; without it the gateway alone clamps.
    await network.exec('pod-m2', 'ip', ['route', 'replace', '10.112.0.0/12', 'via', '10.114.0.1']);
    await tryRun('ip', [
      'netns',
      'exec',
      network.name('pod-m2'),
      process.execPath,
      '-e',
      `require('net').connect({host:'${pod.m1}',port:9301}).on('error', () => process.exit(0))`,
    ]);
    // DSCP AF41 and ECT(0).
    await network.exec('pod-m2', 'ping', ['-n', '-c', '1', '-W', '1', '-Q', String((34 << 2) | 2), pod.m1]);
    const seen = await network.exec('pod-m1', 'nft', ['list', 'table', 'ip', 'seen']);
    expect(seen)
      .to.match(/counter packets 1 bytes \d+ comment "clamped"/)
      .and.match(/counter packets 1 bytes \d+ comment "marked"/);
    await network.exec('pod-m2', 'ip', [
      'route',
      'replace',
      '10.112.0.0/12',
      'via',
      '10.114.0.1',
      'mtu',
      '1420',
    ]);
  });

  it('a link that is cut: the hub path takes over, and the link returns by itself without a loss', async () => {
    const { network } = world;
    const cut = await during(pod.m1, async () => {
      await network.cut('198.51.100.2', '198.51.100.102', true);
      await path('m1', 'm2', 'Relayed');
    });
    // Five probes of 300 ms, and the two ends need not see it at once.
    expect(cut.longestMs).to.be.within(200, 12_000);
    const restored = await during(pod.m1, async () => {
      await network.cut('198.51.100.2', '198.51.100.102', false);
      await path('m1', 'm2', 'Direct');
    });
    expect(restored.longestMs).to.be.below(1_000);
  });

  it('without the hub’s API everything goes on', async () => {
    const ids = ['hub', 'm1', 'm2', 'm3'];
    const outage = await during(pod.m3, async () => {
      for (const id of ids) world.setApi(id, false);
      try {
        // Longer than the lease, its deadline and the doubt after it.
        await during(pod.m1, () => sleep(3_500));
      } finally {
        for (const id of ids) world.setApi(id, true);
      }
    });
    expect(outage.lost).to.equal(0);
  });

  it('edits of a Peer take effect without a restart, and stale routes go', async () => {
    const { network } = world;
    const has = async (text: string) => (await world.wg('m1', ['show', 'wg0', 'allowed-ips'])).includes(text);
    await world.makePeer('m3', { cluster_cidr: ['10.116.0.0/16'] });
    await until(() => has('10.116.0.0/16'), { what: 'the new block at m1', timeout: 60_000, interval: 20 });
    expect(await has('10.115.0.0/16')).to.equal(false);
    const routes = () => network.exec('gw-m3', 'ip', ['route', 'show', 'proto', '157']);
    await until(async () => (await routes()).includes('unreachable 10.116.0.0/16'), {
      what: 'the new block at m3',
      timeout: 60_000,
      interval: 20,
    });
    expect(await routes()).to.not.include('10.115.');
    await world.makePeer('m3', { cluster_cidr: ['10.115.0.0/16'] });
    await until(() => has('10.115.0.0/16'), { what: 'the former block', timeout: 60_000, interval: 20 });
    await world.reaches('m2', pod.m3);
  });

  it('a Peer of somebody else is dialled, followed to another endpoint and key, and gone with its object', async () => {
    const has = (text: string, what: string) =>
      until(async () => (await world.wg('m1', ['show', 'wg0', 'dump'])).includes(text), {
        what,
        timeout: 60_000,
        interval: 10,
      });
    await world.makePeer('other', {
      cluster_cidr: ['10.117.0.0/16'],
      public_key: keyOf('o1'),
      endpoint: '198.51.100.77',
      port: 1_111,
      isPublic: true,
    });
    await has(`${keyOf('o1')}\t(none)\t198.51.100.77:1111`, 'the other cluster');
    await world.patchPeer('other', { spec: { endpoint: '198.51.100.78', port: 2_222 } });
    await has(`${keyOf('o1')}\t(none)\t198.51.100.78:2222`, 'another endpoint');
    await world.patchPeer('other', { spec: { public_key: keyOf('o2') } });
    await has(keyOf('o2'), 'another key');
    await world.patchPeer('other', { spec: { isPublic: false } });
    await has(`${keyOf('o2')}\t(none)`, 'the same');
    const startedAt = performance.now();
    await world.hub.admin.delete(peers, { namespace: shareNamespace, name: 'other' });
    await until(async () => !(await world.wg('m1', ['show', 'wg0', 'peers'])).includes(keyOf('o2')), {
      what: 'it being gone',
      timeout: 60_000,
      interval: 10,
    });
    // All is looked at each 15 s; that is not waited for.
    expect(performance.now() - startedAt).to.be.below(5_000);
  });

  it('hostile Peers are refused, each for itself, with a condition; the others do not notice', async () => {
    const key = (await world.peer('m1')).spec.public_key ?? '';
    const hostile: Readonly<Record<string, readonly [spec: object, reason: string]>> = {
      x1: [{ cluster_cidr: ['0.0.0.0/0'], public_key: keyOf('x1') }, 'TooBroad'],
      x2: [{ cluster_cidr: ['10.113.7.0/24'], public_key: keyOf('x2') }, 'Overlap'],
      x3: [{ cluster_cidr: ['10.118.0.0/16'], public_key: key }, 'KeyInUse'],
      x4: [{ cluster_cidr: ['192.168.0.0/16'], public_key: keyOf('x4') }, 'ForeignCidr'],
      x5: [
        { cluster_cidr: ['10.119.0.0/16'], public_key: keyOf('x5'), endpoint: '127.0.0.1', isPublic: true },
        'ReservedEndpoint',
      ],
    };
    const outage = await during(pod.m1, async () => {
      for (const [id, [spec]] of Object.entries(hostile)) await world.makePeer(id, spec);
      for (const [id, [, reason]] of Object.entries(hostile)) {
        await until(
          async () =>
            (await world.peer(id)).status.conditions.some(
              ({ type, status, reason: found }) =>
                type === 'TunnelAccepted' && status === 'False' && found === reason,
            ),
          { what: `${id} being refused as ${reason}`, timeout: 60_000 },
        );
      }
    });
    expect(outage.lost).to.equal(0);
    const keys = await world.wg('m1', ['show', 'wg0', 'peers']);
    for (const id of ['x1', 'x2', 'x4', 'x5']) expect(keys).to.not.include(keyOf(id));
    for (const id of Object.keys(hostile))
      await world.hub.admin.delete(peers, { namespace: shareNamespace, name: id });
  });

  it('somebody takes routes, addresses and rules away: they come back', async () => {
    const { network } = world;
    await network.exec('gw-m2', 'ip', ['route', 'flush', 'proto', '157']);
    await network.exec('gw-m2', 'ip', ['link', 'set', 'wg0', 'mtu', '1300']);
    await until(
      async () =>
        (await network.exec('gw-m2', 'ip', ['route', 'show', 'proto', '157'])).includes(
          '10.112.0.0/12 dev wg0',
        ) && (await network.exec('gw-m2', 'ip', ['link', 'show', 'wg0'])).includes('mtu 1420'),
      { what: 'routes and MTU being back', timeout: 60_000, interval: 20 },
    );
    await world.reaches('m2', pod.m1);
  });

  for (const [who, target] of [
    ['m1', pod.m1],
    ['hub', pod.m3],
  ] as const) {
    it(`the gateway of ${who} is killed and started again: same key, packets flow again`, async () => {
      const before = (await world.peer(who)).spec.public_key;
      const outage = await during(target, async () => {
        await world.running(who).kill();
        await start(who);
      });
      expect((await world.peer(who)).spec.public_key).to.equal(before);
      expect(outage.longestMs).to.be.within(100, 25_000);
    });
  }

  it('the key is changed without a lost packet', async () => {
    await world.running('m1').stop();
    await world.gateway('m1', [
      ...(flags.m1 ?? []).filter(text => text !== '--key-rotation' && text !== '0'),
      '--key-rotation',
      '4s',
    ]);
    await carries('m1', '10.114.0.0/16');
    await carries('m2', '10.113.0.0/16');
    const keyNow = async () => (await world.peer('m1')).spec.public_key;
    const first = await keyNow();
    const outage = await during(pod.m1, async () => {
      const second = await until(async () => (await keyNow()) !== first && (await keyNow()), {
        what: 'another key',
        timeout: 60_000,
      });
      await until(async () => (await keyNow()) !== second, { what: 'a third key', timeout: 60_000 });
    });
    expect(outage.lost).to.equal(0);
    const secret = await world.hub.admin.get(secrets, { namespace: 'system-m1', name: 'nauti-octopus-key' });
    expect(Object.keys(secret?.data ?? {})).to.include('privateKey');
    expect(world.logs()).to.not.include(
      Buffer.from(
        String((secret?.data as Record<string, string> | undefined)?.privateKey ?? 'none'),
        'base64',
      ).toString(),
    );
  });

  it('ends within 5 s, with 0, and leaves nothing', async () => {
    const gateway = world.running('m3');
    await gateway.stop();
    expect(gateway.exitCode).to.equal(0);
    const links = await world.network.exec('gw-m3', 'ip', ['-o', 'link']);
    expect(links).to.not.include('wg0');
    expect(await world.network.exec('gw-m3', 'nft', ['list', 'tables'])).to.not.include('nauti');
    expect(await world.network.exec('gw-m3', 'ip', ['route', 'show', 'proto', '157'])).to.equal('');
  });
});
