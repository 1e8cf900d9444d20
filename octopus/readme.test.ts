import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { Registry } from 'prom-client';
import { gatewayMetrics } from './metrics.ts';
import { options } from './options.ts';
import { StaleSessions } from './stale-sessions.ts';

const text = readFileSync(new URL('README.md', import.meta.url), 'utf8');

describe('README.md of octopus', () => {
  it('lists every flag, and none that there is not', () => {
    const flags = Object.values(options).map(({ flag }) => flag);
    const said = new Set([...text.matchAll(/--([a-z][-a-z]+)/g)].map(([, flag]) => flag));
    said.delete('help');
    expect([...said].sort()).to.deep.equal([...flags].sort());
  });

  it('lists every metric', async () => {
    const registry = new Registry();
    gatewayMetrics(registry, () => ({
      links: new Map(),
      peers: new Map(),
      refused: 0,
      implementation: undefined,
    }));
    for (const { name } of await registry.getMetricsAsJSON()) {
      const short = name.replace('nauti_octopus', '').replace('_link_rtt', '_rtt');
      expect(text, name).to.satisfy(
        (all: string) =>
          all.includes(name) ||
          all.includes(`…${short}`) ||
          all.includes(`…${name.replace('nauti_octopus', '')}`),
      );
    }
  });

  it('names every file', () => {
    const files = readdirSync(new URL('.', import.meta.url)).filter(
      name => name.endsWith('.ts') && !name.endsWith('.test.ts'),
    );
    for (const file of files) expect(text, file).to.include(`\`${file}\``);
  });
});

describe('StaleSessions', () => {
  const link = (lostInRow: number) =>
    new Map([['a', { state: 'Connected' as const, loss: 0, goodInRow: 0, lostInRow }]]);
  const received = (rxBytes: number) =>
    new Map([['a', { key: 'k', allowed: [], handshakeAt: 1, rxBytes, txBytes: 0, keepalive: 0 }]]);

  it('are those that lost two probes with not a byte between them', () => {
    const sessions = new StaleSessions();
    sessions.doubt('a');
    expect([...sessions.look(received(100), link(1))]).to.deep.equal([]);
    sessions.doubt('a');
    expect([...sessions.look(received(100), link(2))]).to.deep.equal(['a']);
    expect([...sessions.look(received(100), link(2))]).to.deep.equal([]);
  });

  it('are not those that still receive, or answered in between', () => {
    const sessions = new StaleSessions();
    sessions.doubt('a');
    sessions.look(received(100), link(1));
    sessions.doubt('a');
    expect([...sessions.look(received(180), link(2))]).to.deep.equal([]);
    sessions.look(received(180), link(0));
    sessions.doubt('a');
    expect([...sessions.look(received(180), link(1))]).to.deep.equal([]);
  });
});
