import { expect } from 'chai';
import { peers } from '../../../api/resource.ts';
import { until } from '../../../lab/until.ts';
import { formatEndpoint } from '../../../ovsdb-client/endpoint.ts';
import { ControllerProcess } from './controller-process.ts';
import { type RunningController, startWorld, systemNamespace, type World } from './world.ts';

const v4 = '10.113.0.0/16';
const v6 = 'fd00:10:113::/64';

describe('the network that an ovn-controller gives addresses of', function () {
  this.timeout(180_000);
  let world: World;
  let namespace: string;

  before(async function () {
    this.timeout(180_000);
    world = await startWorld();
  });
  after(() => world[Symbol.asyncDispose]());
  beforeEach(async () => {
    namespace = await world.namespace();
  });
  afterEach(async () => {
    await world.stopControllers();
    await world.deleteAllPods();
    // What a switch remembers of a network must not decide over the next test's.
    await world.ovn.clearNorthbound();
  });

  const startProcess = (...flags: readonly string[]) =>
    ControllerProcess.start([
      ...['--kubeconfig', world.plane.kubeconfig, '--ovn-nb', formatEndpoint(world.ovn.northbound.endpoint)],
      ...['--address-quarantine', '100ms', ...flags],
    ]);

  const addressOf = async (name: string) => (await world.allocated(namespace, name))['nauti.io/ip_address'];

  const metric = async ({ registry }: RunningController, name: string) =>
    (await registry.getSingleMetricAsString(`nauti_ovn_controller_${name}`))
      .split('\n')
      .filter(line => line.startsWith('nauti'))
      .map(line => line.replace(/^nauti_ovn_controller_/, ''));

  describe('is of the families that --network-mode says:', () => {
    const both = [
      '--cidr',
      v4,
      '--cidr',
      v6,
      '--global-cidr',
      '10.112.0.0/12',
      '--global-cidr',
      'fd00:10::/32',
    ];
    for (const [mode, expected] of [
      ['V4_ONLY', /^10\.113\.\d+\.\d+$/],
      ['V6_ONLY', /^fd00:10:113::[0-9a-f]+$/],
      ['DUAL_STACK', /^10\.113\.\d+\.\d+,fd00:10:113::[0-9a-f]+$/],
    ] as const) {
      it(mode, async () => {
        const controller = await startProcess(...both, '--network-mode', mode);
        try {
          await world.createPod(namespace, 'a');
          expect(await addressOf('a')).to.match(expected);
        } finally {
          await controller.kill();
        }
      });
    }

    it('and nothing starts where there is no CIDR for a family, or none at all, or the mode is nonsense', async () => {
      for (const [flags, words] of [
        [
          ['--cidr', v4, '--global-cidr', '10.112.0.0/12', '--network-mode', 'DUAL_STACK'],
          'needs an IPv6 CIDR',
        ],
        [['--cidr', v4, '--global-cidr', v6], 'needs an IPv4 CIDR of all clusters'],
        [['--network-mode', 'V5_ONLY'], '--network-mode'],
        [['--cidr', '10.113.0.1/16'], '--cidr'],
        [[], '--cidr or --cluster-id must be given'],
      ] as const) {
        const controller = await startProcess(...flags);
        expect(await controller.ended(), words).to.equal(2);
        expect(controller.log).to.contain(words);
      }
    });
  });

  describe('changes', () => {
    it('by a second family at once: ports get an address of it, and keep what they have', async () => {
      const first = await world.start({ cidrs: [v4] });
      await world.createPod(namespace, 'a');
      const before = await world.allocated(namespace, 'a');
      await first.stop();
      await world.start({ cidrs: [v4, v6] });
      const after = await until(
        async () => {
          const annotations = await world.annotations(namespace, 'a');
          return annotations['nauti.io/ip_address']?.includes(',') && annotations;
        },
        { what: 'an address of IPv6', timeout: 60_000 },
      );
      expect(after['nauti.io/ip_address']).to.match(
        new RegExp(`^${before['nauti.io/ip_address']},fd00:10:113::[0-9a-f]+$`),
      );
      expect(after['nauti.io/mac_address']).to.equal(before['nauti.io/mac_address']);
    });

    for (const [what, cidrs] of [
      ['to another CIDR', ['10.114.0.0/16']],
      ['to a larger CIDR', ['10.112.0.0/15']],
      ['to another family', [v6]],
    ] as const) {
      it(`${what} not while ports exist: an Event says so, and all goes on as before`, async () => {
        const first = await world.start({ cidrs: [v4] });
        await world.createPod(namespace, 'a');
        const before = await world.allocated(namespace, 'a');
        await first.stop();
        const second = await world.start({ cidrs: [...cidrs] });
        await world.createPod(namespace, 'b');
        expect(await addressOf('b')).to.match(/^10\.113\./);
        expect(await world.allocated(namespace, 'a')).to.deep.equal(before);
        expect(await metric(second, 'cidr_change_refused')).to.deep.equal(['cidr_change_refused 1']);
        await until(
          async () =>
            (await world.eventsOf(systemNamespace)).some(
              text =>
                text.startsWith(`CidrChangeRefused: Cannot take the CIDR ${cidrs[0]}`) &&
                text.includes('"Another CIDR"'),
            ),
          {
            what: 'the event',
            timeout: 60_000,
            detail: async () => (await world.eventsOf(systemNamespace)).join(),
          },
        );
      });
    }

    it('to another CIDR as soon as the last port is gone and it starts again', async () => {
      const first = await world.start({ cidrs: [v4] });
      await world.createPod(namespace, 'a');
      await world.allocated(namespace, 'a');
      await world.deletePod(namespace, 'a');
      await until(async () => (await world.ports()).length === 0, {
        what: 'the port going',
        timeout: 60_000,
      });
      await first.stop();
      await world.start({ cidrs: ['10.114.0.0/16'] });
      await world.createPod(namespace, 'b');
      expect(await addressOf('b')).to.match(/^10\.114\./);
    });

    it('to another CIDR with --cidr-change renumber: all pods get new addresses at once', async () => {
      const first = await world.start({ cidrs: [v4] });
      await world.createPods(namespace, 100);
      await world.settled(100);
      await first.stop();
      await world.start({ cidrs: ['10.114.0.0/16'], cidrChange: 'renumber' });
      await until(
        async () =>
          [...(await world.settled(100)).values()].every(({ metadata }) =>
            metadata.annotations?.['nauti.io/ip_address']?.startsWith('10.114.'),
          ),
        { what: 'new addresses', timeout: 60_000 },
      );
    });
  });

  describe('comes from the hub where no CIDR is given:', () => {
    const peer = (name: string, cluster_cidr: readonly string[], ishub: boolean) => ({
      metadata: { namespace: 'default', name },
      spec: { cluster_id: name, cluster_cidr, ishub },
    });
    const fromHub = () =>
      startProcess(
        ...['--cluster-id', 'cluster1', '--hub-kubeconfig', world.plane.kubeconfig],
        ...['--share-namespace', 'default'],
      );

    it('it waits until both Peers say it, and does not take another while ports exist', async () => {
      const controller = await fromHub();
      try {
        await world.createPod(namespace, 'a');
        await until(
          async () => (await controller.readiness()).includes('the Peers of the hub are not known'),
          {
            what: 'it saying what it waits for',
            timeout: 60_000,
            detail: () => controller.readiness(),
          },
        );
        await world.admin.create(peers, peer('cluster1', [v4], false));
        await until(
          async () => (await controller.readiness()).includes('needs an IPv4 CIDR of all clusters'),
          {
            what: 'it saying what is missing',
            timeout: 60_000,
          },
        );
        expect(await world.annotations(namespace, 'a')).to.deep.equal({});
        await world.admin.create(peers, peer('hub', ['10.112.0.0/12'], true));
        const before = await world.allocated(namespace, 'a');
        expect(before['nauti.io/ip_address']).to.match(/^10\.113\./);

        const field = { fieldManager: 'test', force: true };
        await world.admin.apply(peers, peer('cluster1', ['10.115.0.0/16'], false), field);
        await until(
          async () => (await world.eventsOf(systemNamespace)).some(text => text.includes('10.115.0.0/16')),
          { what: 'the event', timeout: 60_000 },
        );
        await world.createPod(namespace, 'b');
        expect(await addressOf('b')).to.match(/^10\.113\./);
        expect(await world.allocated(namespace, 'a')).to.deep.equal(before);
      } finally {
        await controller.kill();
      }
    });
  });

  it('is used to the last address, after a warning at 90 %', async () => {
    // 32 addresses, of which four are reserved.
    const controller = await world.start({ cidrs: ['10.113.0.0/27'] });
    await world.createPods(namespace, 25);
    await world.settled(25);
    expect(await metric(controller, 'addresses_nearly_exhausted')).to.deep.equal([
      'addresses_nearly_exhausted{family="ipv4"} 0',
    ]);
    for (const name of ['26', '27', '28']) await world.createPod(namespace, name);
    await world.settled(28);
    expect(await metric(controller, 'addresses_nearly_exhausted')).to.deep.equal([
      'addresses_nearly_exhausted{family="ipv4"} 1',
    ]);
    await world.createPod(namespace, '29');
    await until(async () => (await world.refusalOf(namespace, '29')) === 'AddressesExhausted', {
      what: 'the refusal',
      timeout: 60_000,
    });
    expect(await metric(controller, 'addresses')).to.include.members([
      'addresses{family="ipv4",state="used"} 28',
      'addresses{family="ipv4",state="free"} 0',
    ]);
    expect(await metric(controller, 'pods_without_address')).to.deep.equal(['pods_without_address 1']);
    await world.deletePod(namespace, '27');
    await world.settled(28);
    await until(
      async () => (await metric(controller, 'pods_without_address'))[0] === 'pods_without_address 0',
      {
        what: 'nobody waiting',
        timeout: 60_000,
      },
    );
  });
});
