import { expect } from 'chai';
import { ClusterLiveness } from './liveness.ts';

const wallClock = Date.parse('2026-05-01T12:00:00.000Z');
const at = (ms: number) => new Date(wallClock + ms).toISOString();

function liveness(): ClusterLiveness {
  return new ClusterLiveness({ leaseDurationMs: 15_000, viewGapMs: 8_000 });
}

/** Own renewals arrive every 5 s: the view is fresh from `from` to `to`. */
function keepFresh(clusters: ClusterLiveness, from: number, to: number): void {
  for (let now = from; now <= to; now += 5_000) clusters.proveFresh(now);
}

describe('liveness of clusters', () => {
  it('declares nobody dead while the own view of the hub is stale, however long it lasts', () => {
    const clusters = liveness();
    clusters.proveFresh(0);
    clusters.observe({ clusterId: 'b', renewTime: at(0) }, 0, wallClock);
    expect(clusters.of('b', 600_000)).to.equal('alive');
  });

  it('grants everybody a whole lease after the hub comes back', () => {
    const clusters = liveness();
    clusters.proveFresh(0);
    clusters.observe({ clusterId: 'b', renewTime: at(0) }, 0, wallClock);
    keepFresh(clusters, 600_000, 610_000);
    expect(clusters.of('b', 614_999)).to.equal('alive');
    expect(clusters.of('b', 615_000)).to.equal('dead');
  });

  it('calls a cluster dead that was silent for its whole lease under a fresh view', () => {
    const clusters = liveness();
    keepFresh(clusters, 0, 5_000);
    clusters.observe({ clusterId: 'b', renewTime: at(0) }, 5_000, wallClock);
    keepFresh(clusters, 10_000, 20_000);
    expect(clusters.of('b', 19_999)).to.equal('alive');
    expect(clusters.nextDeadline()).to.equal(20_000);
    expect(clusters.of('b', 20_000)).to.equal('dead');
  });

  it('keeps the dead dead when the view becomes stale, and revives them by a renewal', () => {
    const clusters = liveness();
    keepFresh(clusters, 0, 15_000);
    clusters.observe({ clusterId: 'b', renewTime: at(0) }, 0, wallClock);
    expect(clusters.of('b', 15_000)).to.equal('dead');
    expect(clusters.of('b', 100_000)).to.equal('dead');
    expect(clusters.nextDeadline()).to.equal(undefined);
    clusters.observe({ clusterId: 'b', renewTime: at(0) }, 100_001, wallClock);
    expect(clusters.of('b', 100_001), 'the same lease again').to.equal('dead');
    clusters.observe({ clusterId: 'b', renewTime: at(100_000) }, 100_002, wallClock);
    expect(clusters.of('b', 100_002)).to.equal('alive');
  });

  it('trusts no clock but its own: a cluster hours behind or ahead lives as long as it renews', () => {
    for (const skew of [-7_200_000, 7_200_000]) {
      const clusters = liveness();
      for (let now = 0; now <= 60_000; now += 5_000) {
        clusters.proveFresh(now);
        clusters.observe({ clusterId: 'b', renewTime: at(now + skew) }, now, wallClock + now);
        expect(clusters.of('b', now), `skew ${skew}, after ${now}`).to.equal(now === 0 ? 'unknown' : 'alive');
      }
    }
  });

  it('does not know a cluster with an old lease until it renews, and calls it dead after a lease', () => {
    const clusters = liveness();
    keepFresh(clusters, 0, 15_000);
    clusters.observe({ clusterId: 'b', renewTime: at(-3_600_000) }, 0, wallClock);
    clusters.observe({ clusterId: 'c', renewTime: at(-3_600_000) }, 0, wallClock);
    clusters.observe({ clusterId: 'c', renewTime: at(-3_599_000) }, 4_000, wallClock);
    expect(clusters.of('b', 14_999)).to.equal('unknown');
    expect(clusters.of('c', 15_000)).to.equal('alive');
    expect(clusters.of('b', 15_000)).to.equal('dead');
  });

  for (const renewTime of [undefined, '', 'tomorrow', '0000-00-00T99:99:99Z']) {
    it(`takes ${JSON.stringify(renewTime)} for no sign of life`, () => {
      const clusters = liveness();
      keepFresh(clusters, 0, 15_000);
      clusters.observe({ clusterId: 'b', renewTime }, 0, wallClock);
      expect(clusters.of('b', 0)).to.equal('unknown');
      expect(clusters.of('b', 15_000)).to.equal('dead');
    });
  }

  it('counts a cluster without a lease as silent from when it was first expected', () => {
    const clusters = liveness();
    keepFresh(clusters, 0, 20_000);
    clusters.expect('b', 3_000);
    clusters.expect('b', 9_000);
    expect(clusters.of('b', 17_999)).to.equal('unknown');
    expect(clusters.of('b', 18_000)).to.equal('dead');
    clusters.observe({ clusterId: 'b', renewTime: at(21_000) }, 21_000, wallClock + 21_000);
    expect(clusters.of('b', 21_000), 'a lease that is made later').to.equal('alive');
  });

  it('says unknown of a cluster that it never heard of, or forgot', () => {
    const clusters = liveness();
    clusters.observe({ clusterId: 'b', renewTime: at(0) }, 0, wallClock);
    clusters.forget('b');
    expect(clusters.of('b', 0)).to.equal('unknown');
    expect(clusters.of('z', 0)).to.equal('unknown');
    expect(clusters.clusterIds()).to.deep.equal([]);
  });
});
