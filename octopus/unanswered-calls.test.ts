import { expect } from 'chai';
import type { PeerState } from './device-state.ts';
import { UnansweredCalls } from './unanswered-calls.ts';

const state = (handshakeAt: number): PeerState => ({
  ...{ key: 'k', allowed: [], handshakeAt, rxBytes: 0, txBytes: 148, keepalive: 10 },
});
const silent = new Map([['m2', state(0)]]);
const to = (endpoint: string) => new Map([['m2', endpoint]]);

describe('calls that nobody answered', () => {
  it('are made again after 300, 600 and 1200 ms, and then left to WireGuard', () => {
    const calls = new UnansweredCalls();
    const made: number[] = [];
    calls.made(to('198.51.100.2:1'), 0);
    for (let now = 0; now < 20_000; now += 100) {
      if (calls.look(silent, now).size === 0) continue;
      made.push(now);
      calls.made(to('198.51.100.2:1'), now);
    }
    expect(made).to.deep.equal([300, 900, 2_100]);
  });

  it('say when to look again', () => {
    const calls = new UnansweredCalls();
    expect(calls.nextIn(0)).to.equal(undefined);
    calls.made(to('198.51.100.2:1'), 1_000);
    expect(calls.look(silent, 1_100)).to.deep.equal(new Set());
    expect(calls.nextIn(1_100)).to.equal(200);
    // Whom it was not the time to dial then is not asked for again and again.
    expect(calls.nextIn(1_300)).to.equal(undefined);
  });

  it('are forgotten with the first handshake, or with the peer', () => {
    for (const peers of [new Map([['m2', state(1_700_000_000)]]), new Map()]) {
      const calls = new UnansweredCalls();
      calls.made(to('198.51.100.2:1'), 0);
      expect(calls.look(peers, 400)).to.deep.equal(new Set());
      expect(calls.look(silent, 800)).to.deep.equal(new Set());
    }
  });

  it('begin anew where the endpoint is another one', () => {
    const calls = new UnansweredCalls();
    for (let count = 0; count < 9; count++) calls.made(to('198.51.100.2:1'), 0);
    expect(calls.look(silent, 9_000)).to.deep.equal(new Set());
    expect(calls.nextIn(0)).to.equal(undefined);
    calls.made(to('198.51.100.3:1'), 10_000);
    expect(calls.look(silent, 10_300)).to.deep.equal(new Set(['m2']));
  });
});
