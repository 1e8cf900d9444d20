import { expect } from 'chai';
import { routingAnnotations } from '../api/names.ts';
import { importOf, Served, sliceOf } from './served.fixture.ts';

const name = 'web.demo.svc.hyperos.local';

function slices(annotations: Record<string, Record<string, string>> = {}) {
  return ['cluster1', 'cluster2', 'cluster3'].map((cluster, i) =>
    sliceOf('demo/web', cluster, [`10.${i + 1}.0.1@zone-a`, `10.${i + 1}.0.2@zone-b`], {
      ports: ['http/tcp:80'],
      annotations: annotations[cluster] ?? {},
    }),
  );
}

const { weight, priority } = routingAnnotations;

describe('the choice of endpoints', () => {
  it('is all of all clusters where nobody said otherwise', () => {
    expect(new Served(slices()).data(`${name} A`)).to.have.length(6);
  });

  it('is the asking cluster first with PreferClose, and all while that has none', () => {
    const imported = importOf('demo/web', { trafficDistribution: 'PreferClose' });
    const served = new Served([imported, ...slices()], { cluster: 'cluster2' });
    expect(served.data(`${name} A`)).to.eql(['10.2.0.1', '10.2.0.2']);
    served.apply(sliceOf('demo/web', 'cluster2', ['!10.2.0.1']));
    expect(served.data(`${name} A`)).to.eql(['10.1.0.1', '10.1.0.2', '10.3.0.1', '10.3.0.2']);
  });

  it('applies PreferClose to headless services in zones of the form mcs too, and to SRV', () => {
    const imported = importOf('demo/web', { headless: true, trafficDistribution: 'PreferClose' });
    const served = new Served([imported, ...slices()], { cluster: 'cluster3' });
    expect(served.data('web.demo.svc.clusterset.local A')).to.eql(['10.3.0.1', '10.3.0.2']);
    expect(served.data('_http._tcp.web.demo.svc.clusterset.local SRV')).to.eql([
      '0 1 80 10-3-0-1.cluster3.web.demo.svc.clusterset.local.',
      '0 1 80 10-3-0-2.cluster3.web.demo.svc.clusterset.local.',
    ]);
    expect(served.data('10-1-0-1.cluster1.web.demo.svc.clusterset.local A'), 'hosts stay').to.eql([
      '10.1.0.1',
    ]);
  });

  it('takes the topology zone: own in the cluster, then the cluster, then own elsewhere', () => {
    const imported = importOf('demo/web', { trafficDistribution: 'PreferSameZone' });
    const served = new Served([imported, ...slices()], { cluster: 'cluster1', topologyZone: 'zone-b' });
    expect(served.data(`${name} A`)).to.eql(['10.1.0.2']);
    served.apply(sliceOf('demo/web', 'cluster1', ['10.1.0.1@zone-a', '!10.1.0.2@zone-b']));
    expect(served.data(`${name} A`)).to.eql(['10.1.0.1']);
    served.apply(sliceOf('demo/web', 'cluster1', []));
    expect(served.data(`${name} A`)).to.eql(['10.2.0.2', '10.3.0.2']);
  });

  it('drains a cluster with weight 0, whose own name stays', () => {
    const served = new Served(slices({ cluster1: { [weight]: '0' } }));
    expect(served.data(`${name} A`)).to.eql(['10.2.0.1', '10.2.0.2', '10.3.0.1', '10.3.0.2']);
    expect(served.data(`cluster1.${name} A`)).to.eql(['10.1.0.1', '10.1.0.2']);
    expect(served.data(`_http._tcp.${name} SRV`)).to.have.length(4);
  });

  it('answers NODATA when all are drained, as names below stay', () => {
    const all = { [weight]: '0' };
    const served = new Served(slices({ cluster1: all, cluster2: all, cluster3: all }));
    expect(served.data(`${name} A`)).to.equal('NODATA');
  });

  it('uses a fallback priority only while no better one is ready', () => {
    const annotations = { cluster2: { [priority]: '10' }, cluster3: { [priority]: '20' } };
    const served = new Served(slices(annotations));
    expect(served.data(`${name} A`)).to.eql(['10.1.0.1', '10.1.0.2']);
    served.apply(sliceOf('demo/web', 'cluster1', ['!10.1.0.1', '!10.1.0.2']));
    expect(served.data(`${name} A`)).to.eql(['10.2.0.1', '10.2.0.2']);
    expect(served.data(`_http._tcp.${name} SRV`)).to.eql([
      '10 1 80 10-2-0-1.cluster2.web.demo.svc.hyperos.local.',
      '10 1 80 10-2-0-2.cluster2.web.demo.svc.hyperos.local.',
    ]);
  });

  it('takes weight and priority of the import where a slice has none', () => {
    const imported = importOf('demo/web', { annotations: { [weight]: '7', [priority]: '3' } });
    const served = new Served([imported, ...slices({ cluster2: { [weight]: '9', [priority]: '3' } })]);
    const weights = (served.data(`_http._tcp.${name} SRV`) as string[]).map(line =>
      line.split(' ', 2).join(' '),
    );
    expect(weights).to.eql(['3 7', '3 7', '3 7', '3 7', '3 9', '3 9']);
  });

  it('takes a value that is no number from 0 to 65535 as not given', () => {
    for (const value of ['-1', '65536', '1.5', 'much', '']) {
      expect(new Served(slices({ cluster1: { [weight]: value } })).data(`${name} A`), value).to.have.length(
        6,
      );
    }
  });

  it('puts an endpoint first as often as its weight says', () => {
    const served = new Served(slices({ cluster1: { [weight]: '3' }, cluster3: { [weight]: '0' } }));
    const first = new Map<string, number>();
    const rounds = 8_000;
    for (let i = 0; i < rounds; i++) {
      const address = served.ask(`${name} A`).answers[0]?.split(' ').at(-1) ?? '';
      first.set(address, (first.get(address) ?? 0) + 1);
    }
    for (const [address, share] of [
      ['10.1.0.1', 3 / 8],
      ['10.1.0.2', 3 / 8],
      ['10.2.0.1', 1 / 8],
      ['10.2.0.2', 1 / 8],
    ] as const) {
      // Five standard deviations of a binomial distribution.
      const slack = 5 * Math.sqrt(rounds * share * (1 - share));
      expect(first.get(address) ?? 0, address).to.be.closeTo(rounds * share, slack);
    }
  });
});

describe('the order of answers', () => {
  it('gives every endpoint the first place equally often', () => {
    const endpoints = Array.from({ length: 8 }, (_, i) => `10.0.0.${i + 1}`);
    const served = new Served([sliceOf('demo/web', 'c1', endpoints)]);
    const first = new Map<string, number>();
    for (let i = 0; i < 800; i++) {
      const answer = served.ask(`${name} A`);
      expect(new Set(answer.answers)).to.have.length(8);
      const address = answer.answers[0] ?? '';
      first.set(address, (first.get(address) ?? 0) + 1);
    }
    expect([...first.values()]).to.eql(Array.from({ length: 8 }, () => 100));
  });

  for (const count of [300, 2_000]) {
    it(`gives a fair sample of ${count} with TC over UDP, and all over TCP`, () => {
      const endpoints = Array.from({ length: count }, (_, i) => `10.7.${i >> 8}.${i & 255}`);
      const served = new Served([sliceOf('demo/web', 'c1', endpoints)]);
      const all = served.ask(`${name} A`, { transport: 'tcp' });
      expect(all.flags).not.to.include('tc');
      expect(new Set(all.answers)).to.have.length(count);
      const seen = new Map<string, number>();
      const rounds = 4_000;
      let fit = 0;
      for (let i = 0; i < rounds; i++) {
        const answer = served.ask(`${name} A`, { edns: { udpSize: 4_096 } });
        expect(answer.flags).to.include('tc');
        fit = answer.answers.length;
        for (const line of answer.answers) seen.set(line, (seen.get(line) ?? 0) + 1);
      }
      // 1,232 less header, question, OPT, at 16 octets each.
      expect(fit).to.equal(Math.floor((1_232 - 12 - 32 - 11) / 16));
      expect(seen).to.have.length(count);
      const expected = (rounds * fit) / count;
      const slack = 6 * Math.sqrt(expected);
      for (const times of seen.values()) expect(times).to.be.closeTo(expected, slack);
    });
  }
});
