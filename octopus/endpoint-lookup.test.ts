import { expect } from 'chai';
import { silentLogger } from '../process/log.ts';
import { EndpointLookup } from './endpoint-lookup.ts';

describe('EndpointLookup', () => {
  let answers: Record<string, readonly string[] | Error>;
  let changes: number;
  let lookup: EndpointLookup;
  const settled = () => new Promise(resolve => setImmediate(resolve));
  beforeEach(() => {
    answers = { 'gw.example.com': ['203.0.113.1', '203.0.113.2'] };
    changes = 0;
    lookup = new EndpointLookup({
      log: silentLogger(),
      onChange: () => changes++,
      lookup: async name => {
        const answer = answers[name] ?? new Error('ENOTFOUND');
        if (answer instanceof Error) throw answer;
        return answer;
      },
    });
    lookup.set(
      new Map([
        ['a', { host: 'gw.example.com', port: 9 }],
        ['b', { host: '203.0.113.7', port: 1 }],
      ]),
      [],
    );
  });

  it('addresses are there at once, names when they are known', async () => {
    expect([...lookup.endpoints]).to.deep.equal([['b', '203.0.113.7:1']]);
    await settled();
    expect(lookup.endpoints.get('a')).to.equal('203.0.113.1:9');
    expect(changes).to.equal(1);
  });

  it('an answer that still has the address changes nothing, whatever its order', async () => {
    await settled();
    answers['gw.example.com'] = ['203.0.113.2', '203.0.113.1'];
    await lookup.refresh(new Set());
    expect(lookup.endpoints.get('a')).to.equal('203.0.113.1:9');
    expect(changes).to.equal(1);
  });

  it('a changed answer is taken, a failed one is not', async () => {
    await settled();
    answers['gw.example.com'] = ['203.0.113.3'];
    await lookup.refresh(new Set());
    expect(lookup.endpoints.get('a')).to.equal('203.0.113.3:9');
    answers['gw.example.com'] = new Error('SERVFAIL');
    await lookup.refresh(new Set());
    expect(lookup.endpoints.get('a')).to.equal('203.0.113.3:9');
  });

  it('where nobody answers the next address of the name is tried', async () => {
    await settled();
    await lookup.refresh(new Set(['a']));
    expect(lookup.endpoints.get('a')).to.equal('203.0.113.2:9');
    await lookup.refresh(new Set(['a']));
    expect(lookup.endpoints.get('a')).to.equal('203.0.113.1:9');
  });

  it('a name that leads to a reserved address is not followed', async () => {
    answers['gw.example.com'] = ['127.0.0.1', '169.254.169.254', '203.0.113.8'];
    lookup.set(new Map([['a', { host: 'gw.example.com', port: 10 }]]), []);
    await settled();
    expect(lookup.endpoints.get('a')).to.equal('203.0.113.8:10');
  });
});
