import { mock } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { acceptPeers } from './accepted-peers.ts';
import { keyFingerprint } from './key.ts';
import { decodeMessage, encodeMessage, type LinkMessage } from './link-message.ts';
import { LinkMeter, lostProbesUntilDown } from './link-meter.ts';
import { Links } from './links.ts';
import { hubPeer, keyOf, peer } from './testing/peers.ts';
import { linksOf } from './topology.ts';

describe('LinkMeter', () => {
  it('weighs round trips, and knows least and longest', () => {
    const meter = new LinkMeter();
    for (const [seq, rtt] of [10, 18, 2].entries()) {
      meter.sent(seq, seq * 1_000);
      meter.answered(seq, seq * 1_000, seq * 1_000 + rtt);
    }
    const { rtt, state, loss, goodInRow } = meter.figures;
    // 10, then 10 + 8/8, then 11 − 9/8.
    expect(rtt).to.deep.equal({ average: 9.875, min: 2, max: 18 });
    expect({ state, loss, goodInRow }).to.deep.equal({ state: 'Connected', loss: 0, goodInRow: 3 });
  });

  it('is down after five probes without an answer, and not before', () => {
    const meter = new LinkMeter();
    meter.sent(0, 0);
    meter.answered(0, 0, 5);
    for (let seq = 1; seq <= lostProbesUntilDown; seq++) meter.sent(seq, seq);
    expect(meter.figures.state).to.equal('Connected');
    meter.sent(6, 6);
    expect(meter.figures).to.deep.include({ state: 'Failed', lostInRow: 5 });
    expect(meter.figures.loss).to.be.closeTo(5 / 6, 1e-9);
    meter.answered(6, 6, 8);
    expect(meter.figures).to.deep.include({ state: 'Connected', goodInRow: 1, lostInRow: 0 });
  });

  it('an answer that comes late tells of life, not of the round trip', () => {
    const meter = new LinkMeter();
    meter.sent(1, 0);
    meter.sent(2, 1_000);
    meter.answered(1, 0, 1_100);
    expect(meter.figures).to.deep.include({ state: 'Connected', loss: 1, lostInRow: 0 });
    expect(meter.figures.rtt).to.equal(undefined);
  });

  it('an answer to what was not asked is none', () => {
    const meter = new LinkMeter();
    meter.sent(1, 0);
    meter.answered(7, 0, 1);
    meter.answered(1, 99, 1);
    expect(meter.figures.state).to.equal('Connecting');
  });
});

describe('link messages', () => {
  const messages: readonly LinkMessage[] = [
    { type: 'probe', seq: 1, at: 12.5, path: 'direct', isGood: true },
    { type: 'reply', seq: 1, at: 12.5, path: 'relayed', isGood: false, knows: '0123456789abcdef' },
    { type: 'together', what: 'key', inMs: 300, key: '0123456789abcdef' },
    { type: 'agreed', what: 'direct', inMs: 0 },
  ];
  for (const message of messages) {
    it(`${message.type} survives the wire`, () => {
      const { v, ...read } = decodeMessage(encodeMessage(message)) as LinkMessage & { v: number };
      expect(read).to.deep.equal(message);
      expect(v).to.equal(1);
    });
  }

  for (const bad of [
    '',
    '{',
    'null',
    '[]',
    '"probe"',
    '{"v":1}',
    '{"v":2,"type":"probe","seq":1,"at":1,"path":"direct","isGood":true}',
    '{"v":1,"type":"probe","seq":-1,"at":1,"path":"direct","isGood":true}',
    '{"v":1,"type":"probe","seq":1,"at":1e999,"path":"direct","isGood":true}',
    '{"v":1,"type":"together","what":"key","inMs":999999}',
    '{"v":1,"type":"together","what":"all","inMs":1}',
    `{"v":1,"type":"agreed","what":"key","inMs":1,"key":"${'0'.repeat(17)}"}`,
    `{"v":1,"type":"agreed","what":"key","inMs":1,"x":"${'x'.repeat(400)}"}`,
  ]) {
    it(`${JSON.stringify(bad.slice(0, 60))} is none`, () => {
      expect(decodeMessage(Buffer.from(bad))).to.equal(undefined);
    });
  }
});

/**
 * Two gateways; what stands between them is a function, so that it can lose what it is told to. Time is the test's own.
 */
describe('Links', () => {
  const intervalMs = 20;
  const peers = (nextKey?: string) => [
    hubPeer(),
    peer('a', { cidr: '10.113.0.0/16', endpoint: '203.0.113.1', ...(nextKey !== undefined && { nextKey }) }),
    peer('b', { cidr: '10.114.0.0/16' }),
  ];
  let ends: Record<'a' | 'b', Links>;
  let passes: (from: string) => boolean;
  let changes: string[];
  let now: number;

  const set = (end: 'a' | 'b', carries = false, nextKey?: string) => {
    const acceptance = acceptPeers(peers(nextKey), { self: end, maxPeers: 5 });
    ends[end].set(linksOf(end, acceptance, 'full'), id => carries && id !== 'hub');
  };
  const make = (self: 'a' | 'b', other: 'a' | 'b') =>
    new Links({
      self,
      intervalMs,
      send: (id, message) => {
        if (id === other && passes(self)) setTimeout(() => ends[other].receive(self, message), 1);
      },
      onChange: () => changes.push(self),
      now: () => now,
    });
  const path = (end: 'a' | 'b') => ends[end].figures().get(end === 'a' ? 'b' : 'a')?.path;
  const pass = async (ms: number) => {
    for (const end = now + ms; now < end; ) {
      now++;
      mock.timers.tick(1);
    }
    // What waits for a promise goes on.
    await turn();
  };
  const becomes = async (what: string, condition: () => boolean) => {
    for (const end = now + 5_000; !condition(); await pass(1)) {
      if (now > end) throw new Error(`${what} did not come`);
    }
  };
  const announced = async (key: string) => {
    let silent: readonly string[] | undefined;
    void ends.a.announceKey(key).then(names => {
      silent = names;
    });
    await becomes('the end of the countdown', () => silent !== undefined);
    return silent;
  };

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
    now = 0;
    passes = () => true;
    changes = [];
    ends = { a: make('a', 'b'), b: make('b', 'a') };
    setInterval(() => {
      ends.a.probe();
      ends.b.probe();
    }, intervalMs);
  });
  afterEach(() => {
    ends.a.close();
    ends.b.close();
    mock.timers.reset();
  });

  it('begins by the hub, and both change to their own tunnel together', async () => {
    set('a');
    set('b');
    expect([path('a'), path('b')]).to.deep.equal(['relayed', 'relayed']);
    await becomes('a direct path at both', () => path('a') === 'direct' && path('b') === 'direct');
    expect(changes.sort()).to.deep.equal(['a', 'b']);
  });

  it('goes on with what a former life had agreed on', () => {
    set('a', true);
    expect(path('a')).to.equal('direct');
    expect([...ends.a.relayed]).to.deep.equal([]);
  });

  it('goes to the hub when nobody answers, and returns by itself', async () => {
    set('a', true);
    set('b', true);
    await becomes('answers', () => ends.a.dead.size === 0 && (ends.a.figures().get('b')?.goodInRow ?? 0) > 3);
    passes = () => false;
    await becomes('both by the hub', () => path('a') === 'relayed' && path('b') === 'relayed');
    expect([...ends.a.dead]).to.include('b');
    passes = () => true;
    await becomes('both direct again', () => path('a') === 'direct' && path('b') === 'direct');
  });

  it('a tunnel that works one way only is used by neither', async () => {
    set('a', true);
    set('b', true);
    passes = from => from === 'a';
    await becomes('both by the hub', () => path('a') === 'relayed' && path('b') === 'relayed');
  });

  it('when one end says that it goes by the hub, so does the other', async () => {
    set('b', true);
    set('a', true);
    await becomes('answers', () => (ends.b.figures().get('a')?.goodInRow ?? 0) > 3);
    // As after a restart of a.
    ends.a.close();
    set('a', false);
    await becomes('b by the hub too', () => path('b') === 'relayed');
    await becomes('both direct again', () => path('a') === 'direct' && path('b') === 'direct');
  });

  it('a change of key: everybody knows it, is counted down to, and follows', async () => {
    const next = keyOf('next of a');
    set('a', true);
    set('b', true);
    ends.a.nextKey = next;
    await becomes('answers', () => (ends.a.figures().get('b')?.goodInRow ?? 0) > 0);
    expect(ends.a.unaware).to.include('b');
    set('b', true, next);
    await becomes('b knowing it', () => !ends.a.unaware.includes('b'));
    // The hub is on the Peers and does not answer: it is not waited for for ever.
    expect(ends.a.unaware).to.deep.equal(['hub']);
    await becomes('the hub given up', () => ends.a.unaware.length === 0);
    expect(ends.b.changedKeys.size).to.equal(0);
    expect(await announced(next)).to.deep.equal([]);
    await becomes('b using it', () => ends.b.changedKeys.get('a') === next);
  });

  it('names those that did not agree to a change of key', async () => {
    const next = keyOf('next of a');
    set('a', true, next);
    set('b', true, next);
    await becomes('answers', () => (ends.a.figures().get('b')?.goodInRow ?? 0) > 0);
    passes = () => false;
    expect(await announced(next)).to.deep.equal(['b']);
    expect(ends.b.changedKeys.size).to.equal(0);
  });

  it('follows no change to a key that is not on the Peer', async () => {
    set('b', true, keyOf('next of a'));
    const key = keyFingerprint(keyOf('another')).toString('hex');
    ends.b.receive('a', { type: 'together', what: 'key', inMs: 0, key });
    await becomes('some probes', () => ends.b.figures().get('a')?.lostInRow === 3);
    expect(ends.b.changedKeys.size).to.equal(0);
  });

  it('forgets a cluster that is gone, and takes nothing from one that it does not know', () => {
    set('a', true);
    ends.a.set([], () => false);
    ends.a.receive('b', { type: 'probe', seq: 1, at: 1, path: 'direct', isGood: true });
    expect(ends.a.figures().size).to.equal(0);
  });
});
