import { expect } from 'chai';
import { readServiceRecord } from '../records.ts';
import { sliceOf } from '../served.fixture.ts';
import { parseRecord, parseRedisTarget } from './layout.ts';

describe('what is in Redis', () => {
  it('is read as strictly as the objects', () => {
    const good = readServiceRecord(
      sliceOf('demo/web', 'c1', ['db=10.1.0.1@z'], { ports: ['http/tcp:80'] }),
      '',
    );
    expect(JSON.stringify(parseRecord(JSON.stringify(good)))).to.equal(
      JSON.stringify({ ...good, unready: 0 }),
    );
    for (const changes of [
      { cluster: 'a.b.c' },
      { service: 'a.b' },
      { namespace: '' },
      { family: 5 },
      { endpoints: [{ addresses: ['x'] }] },
      { endpoints: [null] },
      { ports: [{ name: 'a.b', protocol: 'tcp', port: 1 }] },
      { kind: 'other' },
    ]) {
      expect(() => parseRecord(JSON.stringify({ ...good, ...changes })), JSON.stringify(changes)).to.throw();
    }
  });

  it('has an address that logs may show', () => {
    expect(parseRedisTarget('rediss://user:pw@a,b:7000/2?prefix=x')).to.deep.include({
      urls: ['rediss://user:pw@a/2', 'rediss://user:pw@b:7000/2'],
      shown: 'rediss://a,b:7000/2',
    });
    expect(parseRedisTarget('redis://a;b')?.urls).to.eql(['redis://a', 'redis://b']);
    for (const wrong of ['http://a', 'redis://', 'redis://a?prefix=a b', 'redis://a/x']) {
      expect(parseRedisTarget(wrong), wrong).to.equal(undefined);
    }
  });
});
