import { expect } from 'chai';
import { acceptPeers } from './accepted-peers.ts';
import { renderDot, renderSvg } from './graph.ts';
import { planFromHub, renderConf } from './showconf.ts';
import { localFacts } from './testing/local-facts.ts';
import { hubPeer, keyOf, peer } from './testing/peers.ts';

describe('showconf and graph', () => {
  const acceptance = acceptPeers(
    [
      hubPeer(),
      peer('a', { cidr: '10.113.0.0/16', endpoint: '203.0.113.1' }),
      peer('b', { cidr: '10.114.0.0/16', location: '<eu>"' }),
      peer('x', { cidr: '0.0.0.0/0' }),
    ],
    { self: 'hub', maxPeers: 9 },
  );
  it('shows a configuration without secrets', () => {
    const plan = planFromHub('b', acceptance, 'full', localFacts);
    const conf = renderConf(plan);
    expect(conf).to.match(/^\[Interface\]\nListenPort = 31820\n# PrivateKey is in the Secret/);
    expect(conf)
      .to.include(`# a\n[Peer]\nPublicKey = ${keyOf('a')}`)
      .and.include('Endpoint = 203.0.113.1:31820');
    expect(conf).to.not.match(/^PrivateKey/m);
  });
  it('draws DOT, each tunnel once, from who dials', () => {
    const dot = renderDot(acceptance, 'full');
    expect(dot).to.include('"a" -> "b" [dir=back];').and.include('"b" -> "hub" [dir=forward, style=dotted];');
    expect(dot).to.include('"a" -> "hub" [dir=both, style=dotted];');
    expect(dot.match(/ -> /g)).to.have.length(3);
    expect(dot).to.include('"x" [shape=ellipse, style=dashed, color=red];').and.include('<eu>\\"');
  });
  it('draws SVG that is well formed, whatever names are', () => {
    const svg = renderSvg(acceptance, 'full');
    expect(svg.match(/<line /g)).to.have.length(3);
    expect(svg).to.include('&lt;eu&gt;&quot;').and.not.include('<eu>');
    expect(svg.match(/<g>/g)?.length).to.equal(svg.match(/<\/g>/g)?.length);
  });
});
