import { expect } from 'chai';
import { formatAddress } from '../ipam/address.ts';
import { acceptNetwork } from './accepted-network.ts';
import { formatCidrs, type NetworkMode, planNetwork, reservedIn } from './network.ts';
import { cidr, network } from './testing/samples.ts';

const v4 = '10.113.0.0/16';
const v6 = 'fd00:10:113::/64';

describe('network', () => {
  const good: readonly (readonly [string[], NetworkMode | undefined, string])[] = [
    [[v4], undefined, v4],
    [[v6], undefined, v6],
    [[v6, v4], undefined, `${v4},${v6}`],
    [[v6, v4], 'DUAL_STACK', `${v4},${v6}`],
    [[v6, v4], 'V4_ONLY', v4],
    [[v6, v4], 'V6_ONLY', v6],
  ];
  for (const [cidrs, mode, families] of good) {
    it(`of ${cidrs.join(' and ')} by ${mode ?? 'what is given'} is ${families}`, () => {
      const planned = planNetwork(cidrs.map(cidr), [cidr('10.112.0.0/12'), cidr('fd00:10::/32')], mode);
      expect(typeof planned === 'string' ? planned : formatCidrs(planned)).to.equal(families);
    });
  }

  const bad: readonly (readonly [string[], string[], NetworkMode | undefined, string])[] = [
    [[], ['10.112.0.0/12'], undefined, 'there must be a CIDR of the cluster'],
    [[v4], [], undefined, '10.113.0.0/16 needs an IPv4 CIDR of all clusters'],
    [[v4], ['10.0.0.0/12'], undefined, '10.113.0.0/16 must be inside of 10.0.0.0/12'],
    [
      [v4, '10.114.0.0/16'],
      ['10.112.0.0/12'],
      undefined,
      'there must be one IPv4 CIDR: there are 10.113.0.0/16, 10.114.0.0/16',
    ],
    [['10.113.0.0/30'], ['10.112.0.0/12'], undefined, '10.113.0.0/30 must have at least 8 addresses'],
    [[v4], ['10.112.0.0/12'], 'DUAL_STACK', 'the network mode DUAL_STACK needs an IPv6 CIDR of the cluster'],
    [[v4], ['10.112.0.0/12'], 'V6_ONLY', 'the network mode V6_ONLY needs an IPv6 CIDR of the cluster'],
  ];
  for (const [cidrs, globals, mode, problem] of bad) {
    it(`says "${problem}"`, () =>
      expect(planNetwork(cidrs.map(cidr), globals.map(cidr), mode)).to.equal(problem));
  }

  it('keeps the first, the second and the outer addresses', () => {
    const reserved = network(v4, v6).map(part => reservedIn(part).map(formatAddress).join(' '));
    expect(reserved).to.deep.equal([
      '10.113.0.0 10.113.0.1 10.113.0.2 10.113.255.255',
      'fd00:10:113:: fd00:10:113::1 fd00:10:113::2',
    ]);
  });
});

describe('a changed CIDR', () => {
  const recorded = { cidrs: v4, globals: '10.112.0.0/12' };
  const told = (
    wanted: string[] | undefined,
    before: typeof recorded | undefined,
    hasPorts: boolean,
    change: 'refuse' | 'renumber',
  ) => {
    const accepted = acceptNetwork(
      wanted && network(...wanted),
      before ?? { cidrs: undefined, globals: undefined },
      hasPorts,
      change,
    );
    return accepted && `${formatCidrs(accepted.network)}${accepted.refused ? ' (refused)' : ''}`;
  };

  it('is taken where there are no ports, nothing was known, or it was asked for', () => {
    expect(told(['10.114.0.0/16'], recorded, false, 'refuse')).to.equal('10.114.0.0/16');
    expect(told(['10.114.0.0/16'], undefined, true, 'refuse')).to.equal('10.114.0.0/16');
    expect(told(['10.114.0.0/16'], recorded, true, 'renumber')).to.equal('10.114.0.0/16');
  });

  it('is refused while ports have addresses of the former', () => {
    expect(told(['10.114.0.0/16'], recorded, true, 'refuse')).to.equal('10.113.0.0/16 (refused)');
    expect(told([v6], recorded, true, 'refuse')).to.equal('10.113.0.0/16 (refused)');
    expect(told(['10.113.0.0/17'], recorded, true, 'refuse')).to.equal('10.113.0.0/16 (refused)');
  });

  it('may add a family', () => expect(told([v4, v6], recorded, true, 'refuse')).to.equal(`${v4},${v6}`));

  it('does not need the hub where the switch remembers', () => {
    expect(told(undefined, recorded, true, 'refuse')).to.equal(v4);
    expect(told(undefined, undefined, true, 'refuse')).to.equal(undefined);
    expect(told(undefined, { cidrs: 'nonsense', globals: '' }, true, 'refuse')).to.equal(undefined);
  });
});
