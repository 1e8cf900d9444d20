import { expect } from 'chai';
import { type Cidr, cidrHasCidr, cidrsOverlap, parseCidr } from '../ipam/cidr.ts';
import { chooseCidrs, lowestFree, usedShare, whyNot } from './cidr-choice.ts';

const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`${text} is no CIDR`);
  return parsed;
};
const settings = { globals: [cidr('10.112.0.0/12')], prefixOf: () => 16 };
const allocations = (table: Record<string, string>) =>
  new Map(Object.entries(table).map(([id, text]) => [id, text.split(',')]));

describe('choosing CIDRs', () => {
  it('takes the lowest free block', () => {
    const taken = allocations({ a: '10.112.0.0/16', b: '10.114.0.0/16' });
    expect(chooseCidrs('c', taken, undefined, settings)).to.deep.equal({
      cidrs: ['10.113.0.0/16'],
      exhausted: [],
    });
  });

  it('gives what is asked for where it is free and inside, of any length', () => {
    for (const wish of ['10.120.0.0/16', '10.127.255.0/24', '10.116.0.0/14', ' 10.120.0.0/16 ']) {
      expect(chooseCidrs('c', new Map(), wish, settings).cidrs).to.deep.equal([wish.trim()]);
    }
  });

  it('gives another one where that cannot be, and says why', () => {
    const taken = allocations({ a: '10.120.0.0/16' });
    const cases: readonly [wish: string, says: RegExp][] = [
      ['10.120.0.0/16', /must be free: a has 10\.120\.0\.0\/16/],
      ['10.120.5.0/24', /must be free: a has 10\.120\.0\.0\/16/],
      ['10.120.0.0/15', /must be free: a has/],
      ['10.128.0.0/16', /must be inside of 10\.112\.0\.0\/12/],
      ['10.0.0.0/8', /must be inside of/],
      ['fd00::/64', /must be inside of/],
      ['10.113.0.1/16', /must be a CIDR whose host bits are zero: current value is "10\.113\.0\.1\/16"/],
      ['nonsense\n', /must be a CIDR .* "nonsense"/],
      ['10.113.0.0/16,10.114.0.0/16', /only one CIDR of a family/],
      ['10.113.0.0/30', /at least 8 addresses/],
    ];
    for (const [wish, says] of cases) {
      const choice = chooseCidrs('c', taken, wish, settings);
      expect(choice.refused, wish).to.match(says);
      expect(choice.cidrs, wish).to.deep.equal(['10.112.0.0/16']);
      expect(whyNot('c', wish, taken, settings), wish).to.equal(choice.refused);
    }
  });

  it('changes nothing of what a cluster has, whatever it asks for later', () => {
    const taken = allocations({ a: '10.113.0.0/16', b: '10.114.0.0/16' });
    expect(chooseCidrs('a', taken, undefined, settings)).to.deep.equal({
      cidrs: ['10.113.0.0/16'],
      exhausted: [],
    });
    expect(chooseCidrs('a', taken, '10.113.0.0/16', settings).refused).to.equal(undefined);
    expect(chooseCidrs('a', taken, '10.115.0.0/16', settings)).to.include({
      refused: 'a cluster keeps what it has',
    });
    expect(chooseCidrs('a', taken, '10.114.0.0/16', settings).refused).to.match(/must be free: b has/);
    expect(chooseCidrs('a', allocations({ a: '10.200.0.0/16' }), undefined, settings).cidrs).to.deep.equal([
      '10.200.0.0/16',
    ]);
  });

  it('never leaves the range: the 17th of sixteen gets none', () => {
    const taken = new Map<string, readonly string[]>();
    for (let index = 0; index < 17; index++) {
      const choice = chooseCidrs(`c${index}`, taken, undefined, settings);
      if (index < 16) taken.set(`c${index}`, choice.cidrs);
      expect(choice.exhausted).to.deep.equal(index < 16 ? [] : ['10.112.0.0/12']);
    }
    expect(usedShare(cidr('10.112.0.0/12'), taken)).to.equal(1);
  });

  it('gives one of each family', () => {
    const both = {
      globals: [cidr('10.112.0.0/12'), cidr('fd00:112::/48')],
      prefixOf: ({ family }: Cidr) => (family === 4 ? 16 : 64),
    };
    const first = chooseCidrs('a', new Map(), 'fd00:112:0:7::/64', both);
    expect(first.cidrs).to.deep.equal(['10.112.0.0/16', 'fd00:112:0:7::/64']);
    expect(chooseCidrs('b', new Map([['a', first.cidrs]]), undefined, both).cidrs).to.deep.equal([
      '10.113.0.0/16',
      'fd00:112::/64',
    ]);
  });

  it('finds a place between blocks of all lengths, inside and free, or there is none', () => {
    let state = 7;
    const random = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const global = cidr('10.112.0.0/22');
    for (let round = 0; round < 300; round++) {
      const taken: Cidr[] = [];
      for (;;) {
        const prefix = 22 + random(8);
        const block = lowestFree(global, prefix, taken);
        if (block === undefined) {
          // Proven by looking at every place.
          const size = 2 ** (32 - prefix);
          for (let base = 0; base < 1024; base += size) {
            const place = { family: 4, base: global.base + BigInt(base), prefix } as const;
            expect(taken.some(other => cidrsOverlap(other, place))).to.equal(true);
          }
          break;
        }
        expect(cidrHasCidr(global, block)).to.equal(true);
        expect(taken.some(other => cidrsOverlap(other, block))).to.equal(false);
        taken.push(block);
      }
    }
  });
});
