import { expect } from 'chai';
import { isDnsSubdomain, isLabelValue } from './legal-names.ts';
import { derivedServiceName, hubObjectName, hubServiceName, shortHash } from './object-names.ts';

describe('object names', () => {
  it("have the contract's hash", () => {
    expect(shortHash('nginx-svc')).to.equal('kl7j74ep4o');
    expect(shortHash('')).to.match(/^[0-9a-v]{10}$/);
  });

  it("have the contract's form where that can be read in one way", () => {
    expect(hubObjectName('cluster1', 'default', 'nginx-svc-x7k2p')).to.equal(
      'cluster1-default-nginx-svc-x7k2p',
    );
    expect(hubServiceName('cluster1', 'default', 'nginx-svc')).to.equal(
      'derived-cluster1-default-kl7j74ep4o',
    );
    expect(derivedServiceName('default', 'nginx-svc')).to.equal(`derived-${shortHash('default/nginx-svc')}`);
  });

  it('get a hash, and the dashes of the cluster id, where they could be read in two ways', () => {
    const [one, other] = [hubObjectName('a-b', 'c', 'x'), hubObjectName('a', 'b-c', 'x')];
    expect(one).to.equal(`a-b-c-x-${shortHash('a-b/c/x')}1`);
    expect(other).to.equal(`a-b-c-x-${shortHash('a/b-c/x')}0`);
    expect(hubServiceName('a-b', 'c', 'x')).to.not.equal(hubServiceName('a', 'b-c', 'x'));
  });

  it('cannot be chosen so that a plain one looks like one with a hash', () => {
    const taken = hubObjectName('a-b', 'c', 'x');
    const imitation = hubObjectName('a', 'b', taken.slice('a-b-'.length));
    expect(imitation).to.not.equal(taken);
  });

  it('stay within 253 and 63 characters, and legal', () => {
    const long = 'x'.repeat(63);
    const name = hubObjectName(long, long, `${'y.'.repeat(120)}y`);
    expect(name).to.have.length.at.most(253);
    expect(isDnsSubdomain(name)).to.equal(true);
    expect(name.startsWith(`${long}-`)).to.equal(true);
    const label = hubServiceName(long, long, long);
    expect(label).to.have.length.at.most(63);
    expect(isLabelValue(label)).to.equal(true);
  });

  it('never collide, and tell whose they are', () => {
    // Few characters and many dashes: the ways to read a name in two ways are met often.
    const random = generator(20_260_101);
    const word = (length: number) => {
      for (;;) {
        const text = Array.from({ length: 1 + random(length) }, () => 'ab-'[random(3)]).join('');
        if (/^[ab](.*[ab])?$/.test(text)) return text;
      }
    };
    const objects = new Map<string, string>();
    const services = new Map<string, string>();
    for (let round = 0; round < 20_000; round++) {
      const long = round % 10 === 0 ? 62 : 5;
      const id = random(8) === 0 ? `${word(3)}.${word(3)}` : word(Math.min(long, 55));
      const parts = [id, word(long), word(long * 2)] as const;
      const identity = parts.join('/');
      const name = hubObjectName(...parts);
      expect(objects.get(name) ?? identity).to.equal(identity);
      objects.set(name, identity);
      expect(ownerOf(name), name).to.equal(id);
      const service = hubServiceName(...parts);
      expect(services.get(service) ?? identity).to.equal(identity);
      services.set(service, identity);
      expect(isLabelValue(service), service).to.equal(true);
    }
    expect(objects.size).to.be.greaterThan(12_000);
  });
});

/** What the admission policy of the hub concludes from a name. */
function ownerOf(name: string): string | undefined {
  const dashes = Number(/-[0-9a-v]{10}(\d{1,2})$/.exec(name)?.[1] ?? 0);
  return name
    .split('-')
    .slice(0, dashes + 1)
    .join('-');
}

/** A linear congruential generator: the same names in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return below => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
