import { expect } from 'chai';
import { acceptPeers } from './accepted-peers.ts';
import { type DiffInputs, diffDevice } from './device-diff.ts';
import { type DeviceState, type PeerState, parseDump } from './device-state.ts';
import { type DevicePlan, type PlannedPeer, planDevice } from './plan.ts';
import { localFacts } from './testing/local-facts.ts';
import { hubPeer, keyOf, peer } from './testing/peers.ts';
import { linksOf } from './topology.ts';

const privateKey = keyOf('private');

function planOf(dialled: Readonly<Record<string, string>> = { hub: '198.51.100.1:31820' }): DevicePlan {
  const acceptance = acceptPeers(
    [
      hubPeer(),
      peer('a', { cidr: '10.113.0.0/16' }),
      peer('b', { cidr: '10.114.0.0/16', endpoint: '203.0.113.9' }),
    ],
    {
      self: 'a',
      maxPeers: 10,
    },
  );
  return planDevice({
    local: { ...localFacts, id: 'a' },
    acceptance,
    links: linksOf('a', acceptance, 'full'),
    relayed: new Set(),
    changedKeys: new Map(),
    dialled: new Map(Object.entries(dialled)),
  });
}

/** The state that a plan leads to. */
function stateOf(plan: DevicePlan, edit: Readonly<Record<string, Partial<PeerState>>> = {}): DeviceState {
  const peers = plan.peers.map((planned): [string, PeerState] => {
    const { id, key, endpoint, keepalive, allowed } = planned;
    const state = {
      key,
      keepalive,
      allowed,
      handshakeAt: 1,
      rxBytes: 0,
      txBytes: 0,
      ...(endpoint !== undefined && { endpoint }),
      ...edit[id],
    };
    return [state.key, state];
  });
  return {
    wireguard: { privateKey, listenPort: plan.listenPort, peers: new Map(peers) },
    mtu: plan.mtu,
    isUp: true,
    addresses: plan.addresses,
    routes: plan.routes.map(route => ({ ...route, ...(route.kind === 'device' && { device: plan.device }) })),
  };
}

function diff(plan: DevicePlan, state: DeviceState, more: Partial<DiffInputs> = {}) {
  const found = diffDevice({
    plan,
    state,
    privateKey,
    lastEndpoints: new Map(),
    dead: new Set(),
    stale: new Set(),
    ...more,
  });
  return {
    ...found,
    wg: found.wg.map(({ args }) => args.join(' ')),
    inputs: found.wg.map(({ input }) => input),
  };
}

const bare: DeviceState = {
  wireguard: { listenPort: 4_711, peers: new Map() },
  mtu: 1_420,
  isUp: false,
  addresses: [],
  routes: [],
};

describe('diffDevice', () => {
  const plan = planOf();
  const b = plan.peers.find(({ id }) => id === 'b') as PlannedPeer;

  it('makes everything of a bare device, the routes last', () => {
    const { wg, ip, inputs } = diff(plan, bare);
    expect(wg).to.deep.equal(['addconf wg0 /dev/stdin']);
    expect(inputs[0]).to.match(
      new RegExp(
        `^\\[Interface\\]\nPrivateKey = ${privateKey.replaceAll('+', '\\+')}\nListenPort = 31820\n\n\\[Peer\\]\n`,
      ),
    );
    expect(ip.map(line => line.split(' ').slice(0, 2).join(' '))).to.deep.equal([
      'address add',
      'address add',
      'link set',
      'link set',
      'route replace',
      'route replace',
    ]);
  });

  it('gives its key to a device without anybody to talk to, and a device with peers its key before them', () => {
    const key = 'set wg0 listen-port 31820 private-key /dev/stdin';
    expect(diff({ ...plan, peers: [] }, bare).wg).to.deep.equal([key]);
    const keyless = stateOf(plan, { b: { keepalive: 0 } });
    const { privateKey: _, ...others } = keyless.wireguard;
    const { wg } = diff(plan, { ...keyless, wireguard: { ...others, listenPort: 0 } });
    expect(wg[0]).to.equal(key);
    expect(wg.slice(1)).to.have.length(1);
  });

  it('no secret is in an argument', () => {
    const secret = { ...plan, peers: plan.peers.map(one => ({ ...one, presharedKey: keyOf('psk') })) };
    const changed = {
      ...secret,
      peers: secret.peers.map(one => (one.id === 'b' ? { ...one, key: keyOf('b2') } : one)),
    };
    for (const found of [diff(secret, bare), diff(changed, stateOf(plan))]) {
      expect(found.wg.join(' ')).to.not.include(privateKey).and.not.include(keyOf('psk'));
      expect(found.inputs.join(' ')).to.include(keyOf('psk'));
    }
  });

  it('does nothing where everything is so', () => {
    expect(diff(plan, stateOf(plan))).to.deep.include({ wg: [], ip: [] });
  });

  it('touches only the peer that differs', () => {
    const state = stateOf(plan, { b: { allowed: ['10.99.0.0/16'] } });
    expect(diff(plan, state).wg).to.deep.equal([`set wg0 peer ${b.key} allowed-ips ${b.allowed.join(',')}`]);
    expect(diff(plan, stateOf(plan, { hub: { keepalive: 0 } })).wg).to.deep.equal([
      `set wg0 peer ${keyOf('hub')} persistent-keepalive 10`,
    ]);
  });

  it('removes whom the plan does not have', () => {
    const state = stateOf(plan);
    const old: PeerState = {
      key: keyOf('old'),
      allowed: ['10.99.0.0/16'],
      handshakeAt: 0,
      rxBytes: 0,
      txBytes: 0,
      keepalive: 0,
    };
    const peers = new Map([...state.wireguard.peers, [old.key, old]]);
    expect(diff(plan, { ...state, wireguard: { ...state.wireguard, peers } }).wg).to.deep.equal([
      `set wg0 peer ${old.key} remove`,
    ]);
  });

  it('a changed key takes the place of the former in one command, with the endpoint that was learned', () => {
    const state = stateOf(plan, { b: { key: keyOf('b before'), endpoint: '203.0.113.77:4500' } });
    expect(diff(plan, state).wg).to.deep.equal([
      `set wg0 peer ${keyOf('b before')} remove peer ${b.key} endpoint 203.0.113.77:4500 persistent-keepalive 10 allowed-ips ${b.allowed.join(',')}`,
    ]);
  });

  describe('endpoints', () => {
    const dialling = planOf({ hub: '198.51.100.1:31820', b: '203.0.113.9:31820' });
    const learned = (endpoint: string) => stateOf(dialling, { b: { endpoint } });
    const cases: readonly (readonly [
      what: string,
      state: DeviceState,
      last: string | undefined,
      dead: boolean,
      set: 'no' | 'alone' | 'with a new session',
    ])[] = [
      [
        'one that WireGuard learned stays while ours is unchanged',
        learned('203.0.113.50:9'),
        '203.0.113.9:31820',
        false,
        'no',
      ],
      ['one that works stays after a restart', learned('203.0.113.50:9'), undefined, false, 'no'],
      ['a changed one is set', learned('203.0.113.50:9'), '203.0.113.8:31820', false, 'with a new session'],
      [
        'ours is set again where nobody answers',
        learned('203.0.113.50:9'),
        '203.0.113.9:31820',
        true,
        'alone',
      ],
      ['the same is not set', learned('203.0.113.9:31820'), '203.0.113.8:31820', true, 'no'],
    ];
    for (const [what, state, last, dead, set] of cases) {
      it(what, () => {
        const lastEndpoints = new Map([
          ['hub', '198.51.100.1:31820'],
          ...(last === undefined ? [] : [['b', last] as const]),
        ]);
        const { wg } = diff(dialling, state, { lastEndpoints, dead: new Set(dead ? ['b'] : []) });
        const whole = `persistent-keepalive 10 allowed-ips ${b.allowed.join(',')}`;
        expect(wg).to.deep.equal(
          set === 'no'
            ? []
            : set === 'alone'
              ? [`set wg0 peer ${b.key} endpoint 203.0.113.9:31820`]
              : [`set wg0 peer ${b.key} remove peer ${b.key} endpoint 203.0.113.9:31820 ${whole}`],
        );
      });
    }

    it('a session that only we know is made anew', () => {
      const { wg } = diff(dialling, stateOf(dialling), { stale: new Set(['b']) });
      expect(wg).to.deep.equal([
        `set wg0 peer ${b.key} remove peer ${b.key} endpoint 203.0.113.9:31820 persistent-keepalive 10 allowed-ips ${b.allowed.join(',')}`,
      ]);
    });
  });

  describe('links and routes', () => {
    const state = stateOf(plan);
    const cases: readonly (readonly [what: string, state: DeviceState, lines: readonly string[]])[] = [
      ['another MTU', { ...state, mtu: 1_300 }, ['link set dev wg0 mtu 1420']],
      [
        'a device that is down',
        { ...state, isUp: false },
        ['link set dev wg0 addrgenmode none', 'link set dev wg0 up'],
      ],
      [
        'an address too many',
        { ...state, addresses: [...state.addresses, '10.9.9.9/32'] },
        ['address del 10.9.9.9/32 dev wg0'],
      ],
      [
        'a stale route',
        {
          ...state,
          routes: [...state.routes, { family: 4, to: '10.200.0.0/16', kind: 'device', device: 'wg0' }],
        },
        ['route del 10.200.0.0/16 dev wg0 proto 157'],
      ],
      [
        'a missing route',
        { ...state, routes: state.routes.filter(({ kind }) => kind !== 'device') },
        ['route replace 10.112.0.0/12 dev wg0 proto 157'],
      ],
      [
        'a route of another MTU',
        { ...state, routes: state.routes.map(one => (one.kind === 'device' ? { ...one, mtu: 1_300 } : one)) },
        ['route replace 10.112.0.0/12 dev wg0 proto 157'],
      ],
    ];
    for (const [what, found, lines] of cases) {
      it(`repairs ${what}, and nothing else`, () => {
        expect(diff(plan, found)).to.deep.include({ wg: [], ip: lines });
      });
    }
  });
});

describe('parseDump', () => {
  it('reads what wg prints', () => {
    const text = `${keyOf('x')}\t${keyOf('y')}\t31820\toff\n${keyOf('p')}\t(none)\t[2001:db8::1]:5\t10.2.0.0/16,10.1.0.0/16\t1700000000\t10\t20\toff\n${keyOf('q')}\t${keyOf('s')}\t(none)\t(none)\t0\t0\t0\t25\n`;
    const { peers, listenPort } = parseDump(text);
    expect(listenPort).to.equal(31_820);
    expect([...peers.values()]).to.deep.equal([
      {
        key: keyOf('p'),
        endpoint: '[2001:db8::1]:5',
        allowed: ['10.1.0.0/16', '10.2.0.0/16'],
        handshakeAt: 1_700_000_000,
        rxBytes: 10,
        txBytes: 20,
        keepalive: 0,
      },
      {
        key: keyOf('q'),
        presharedKey: keyOf('s'),
        allowed: [],
        handshakeAt: 0,
        rxBytes: 0,
        txBytes: 0,
        keepalive: 25,
      },
    ]);
  });

  it('repeats nothing of what it cannot read', () => {
    expect(() => parseDump(privateKey))
      .to.throw(RangeError, 'must be a dump of wg')
      .and.not.match(new RegExp(privateKey));
  });
});
