/**
 * Two candidate gateways of one cluster at the same pods, with a hub and another member: by a Lease one of them carries
 * the tunnels. Probes go each 300 ms here, each second by default.
 */
import { expect } from 'chai';
import { until } from '../../../lab/until.ts';
import { Stream } from './stream.ts';
import { World } from './world.ts';

const flags = ['--probe-interval', '300ms', '--cluster-address', 'manage', '--key-rotation', '0'];
const pod = { m1: '10.113.0.5', m2: '10.114.0.5' } as const;

describe('octopus: two gateways of a cluster', function () {
  this.timeout(180_000);
  let world: World;

  before(async () => {
    world = await World.start('ocs', [
      { id: 'hub', address: '198.51.100.1' },
      { id: 'm1', address: '198.51.100.2', block: '10.113.0.0/16' },
      { id: 'm1b', address: '198.51.100.3', block: '10.113.0.0/16', standbyOf: 'm1' },
      { id: 'm2', address: '192.168.2.2', nat: 'cone', block: '10.114.0.0/16' },
    ]);
    // What the node agent gives to the one gateway is the leader's here.
    await world.network.exec('gw-m1', 'ip', ['address', 'flush', 'dev', 'eth-ovn']);
    await world.gateway('hub', ['--endpoint', '198.51.100.1', ...flags]);
    await world.gateway('m2', flags);
    await world.gateway('m1', ['--endpoint', '198.51.100.2', ...flags]);
    await world.reaches('m2', pod.m1);
    await world.gateway('m1b', ['--endpoint', '198.51.100.3', ...flags]);
    await until(async () => world.running('m1b').isReady(world.network), {
      what: 'a standby that is ready',
      detail: () => world.logs().slice(-2500),
      timeout: 60_000,
    });
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
  });

  it('the standby has no tunnel and no address', async () => {
    const links = await world.network.exec('gw-m1b', 'ip', ['-o', 'address']);
    expect(links).to.not.include('wg0').and.not.include('10.113.0.1');
  });

  it('the standby gives up the address of the gateway, should a program that was killed have left it', async () => {
    await world.network.exec('gw-m1b', 'ip', ['address', 'add', '10.113.0.1/16', 'dev', 'eth-ovn']);
    await until(
      async () => !(await world.network.exec('gw-m1b', 'ip', ['-o', 'address'])).includes('10.113.0.1'),
      { what: 'the address being gone', timeout: 60_000, detail: () => world.logs().slice(-2500) },
    );
    await world.reaches('m2', pod.m1);
  });

  for (const [who, other, how] of [
    ['m1', 'm1b', 'kill'],
    ['m1b', 'm1', 'stop'],
  ] as const) {
    it(`the active one is ${how === 'kill' ? 'killed' : 'stopped'}: the other takes address, key and routes in seconds, and streams survive`, async () => {
      const { public_key: key } = (await world.peer('m1')).spec;
      const stream = new Stream(world.network, 'pod-m2', 'pod-m1', pod.m1);
      const pings = world.network.ping('pod-m2', pod.m1);
      try {
        await until(() => pings.answered > 20 && stream.count > 20, {
          what: 'traffic',
          timeout: 60_000,
          interval: 20,
        });
        await world.running(who)[how]();
        const [answered, came] = [pings.answered, stream.count];
        await until(() => pings.answered > answered + 50 && stream.count > came + 50, {
          what: 'traffic by the other gateway',
          timeout: 60_000,
          interval: 20,
          detail: () => world.logs(),
        });
        expect(stream.isClosed).to.equal(false);
      } finally {
        stream.end();
        await pings.end();
      }
      const outage = await pings.end();
      // 1.5 s and 0.3 s on an idle machine; the lease lasts 2 s.
      expect(outage.longestMs).to.be.within(0, 10_000);
      expect(await world.network.exec(`gw-${other}`, 'ip', ['-o', 'address'])).to.include('10.113.0.1/16');
      const { spec } = await world.peer('m1');
      expect(spec.public_key).to.equal(key);
      await until(
        async () =>
          (await world.peer('m1')).spec.endpoint === (other === 'm1' ? '198.51.100.2' : '198.51.100.3'),
        {
          what: 'the endpoint of the other gateway on the Peer',
          timeout: 60_000,
        },
      );
      // The one that is gone comes back as the standby, and takes nothing.
      const address = who === 'm1' ? '198.51.100.2' : '198.51.100.3';
      const again = await world.gateway(who, ['--endpoint', address, ...flags]);
      await until(async () => again.isReady(world.network), {
        what: 'the former one as standby',
        timeout: 60_000,
      });
      await world.reaches('m2', pod.m1);
    });
  }

  it('a gateway that is alone without its API gives way as soon as another one is heard', async () => {
    const pings = world.network.ping('pod-m2', pod.m1);
    try {
      await until(() => pings.answered > 20, { what: 'answers', timeout: 60_000, interval: 20 });
      world.setApi('m1', false);
      await until(
        async () => (await world.network.exec('gw-m1b', 'ip', ['-o', 'address'])).includes('10.113.0.1/16'),
        {
          what: 'the other one having taken over',
          timeout: 60_000,
        },
      );
      await until(
        async () => !(await world.network.exec('gw-m1', 'ip', ['-o', 'address'])).includes('10.113.0.1/16'),
        {
          what: 'the former one having given way',
          timeout: 60_000,
          detail: () => world.logs(),
        },
      );
      const { answered } = pings;
      await until(() => pings.answered > answered + 50, { what: 'answers', timeout: 60_000, interval: 20 });
    } finally {
      world.setApi('m1', true);
      await pings.end();
    }
  });
});
