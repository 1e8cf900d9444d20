import { expect } from 'chai';
import { forwardZones, withoutForwardedZones } from './corefile.ts';

const original = `.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
}
corp.example:53 {
    forward . 203.0.113.53
}
`;

describe('forwarding zones in a Corefile', () => {
  it('adds a server block for each zone and leaves the rest alone', () => {
    expect(forwardZones(original, ['hyperos.local', 'clusterset.local'], '10.96.0.11')).to.equal(
      `${original}# nauti: zones of other clusters, begin
hyperos.local:53 {
    errors
    forward . 10.96.0.11
}
clusterset.local:53 {
    errors
    forward . 10.96.0.11
}
# nauti: end
`,
    );
  });

  it('changes nothing the second time', () => {
    const once = forwardZones(original, ['hyperos.local'], '10.96.0.11');
    expect(forwardZones(once, ['hyperos.local'], '10.96.0.11')).to.equal(once);
  });

  it('replaces what it added before', () => {
    const before = forwardZones(original, ['hyperos.local', 'clusterset.local'], '10.96.0.11');
    const after = forwardZones(before, ['hyperos.local'], '10.96.0.12');
    expect(after).to.contain('forward . 10.96.0.12').and.not.to.contain('clusterset.local');
  });

  it('puts an IPv6 address into brackets', () => {
    expect(forwardZones(original, ['hyperos.local'], 'fd00::b')).to.contain('forward . [fd00::b]');
  });

  it('takes away all that it added', () => {
    expect(withoutForwardedZones(forwardZones(original, ['hyperos.local'], '10.96.0.11'))).to.equal(original);
    expect(withoutForwardedZones(original)).to.equal(original);
  });

  for (const line of [
    'hyperos.local {',
    'hyperos.local:53 {',
    'a.example, hyperos.local.:53 {',
    'dns://hyperos.local {',
  ]) {
    it(`refuses a zone that has the block ${line}`, () => {
      expect(() => forwardZones(`${line}\n}\n`, ['hyperos.local'], '10.96.0.11')).to.throw(
        'the zone hyperos.local',
      );
    });
  }

  for (const line of ['not-hyperos.local {', 'hyperos.local.example {', '# hyperos.local {']) {
    it(`does not take ${line} for a block of the zone`, () => {
      expect(forwardZones(`${line}\n}\n`, ['hyperos.local'], '10.96.0.11')).to.contain(`${line}\n}\n`);
    });
  }
});
