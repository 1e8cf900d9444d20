import { expect } from 'chai';
import { CookieBaker } from './cookie.ts';
import { makeQuery, readAnswer } from './dnsclient.ts';
import { RateLimiter } from './ratelimit.ts';
import { importOf, Served, sliceOf } from './served.fixture.ts';

const objects = [importOf('demo/web', { ips: ['10.96.7.7'] }), sliceOf('demo/web', 'c1', ['10.1.0.1'])];

/** The tests that ISC's EDNS compliance tester and RFC 8906 section 8 ask of an authoritative server, for a zone's SOA. */
describe('EDNS compliance (RFC 6891, RFC 8906 section 8)', () => {
  const served = new Served(objects, { nsid: 'replica-1' });
  const soa = 'clusterset.local SOA';

  it('8.1.1 plain DNS: SOA, no OPT', () => {
    const answer = served.ask(soa, { flags: 0 });
    expect(answer.rcode).to.equal('NOERROR');
    expect(answer.answers).to.have.length(1);
    expect(answer.flags).to.eql(['aa']);
    expect(answer.edns).to.equal(undefined);
  });

  it('8.1.2 unknown type: NOERROR without SOA as answer', () => {
    const answer = served.ask('clusterset.local TYPE1000', { flags: 0 });
    expect(answer.rcode).to.equal('NOERROR');
    expect(answer.answers).to.eql([]);
  });

  it('8.1.3 header bits: CD, AD, Z and RD are ignored, RA and Z stay clear', () => {
    for (const flags of [0x0010, 0x0020, 0x0040, 0x0100, 0x0080]) {
      const answer = served.ask(soa, { flags });
      expect(answer.rcode).to.equal('NOERROR');
      expect(answer.flags).to.eql(flags === 0x0100 ? ['aa', 'rd'] : ['aa']);
    }
  });

  it('8.1.4 unknown opcodes: NOTIMP, header only', () => {
    for (const opcode of [1, 2, 3, 4, 5, 6, 15]) {
      const answer = served.ask(soa, { flags: opcode << 11 });
      expect(answer.rcode, String(opcode)).to.equal('NOTIMP');
      expect(answer.opcode).to.equal(opcode);
      expect(answer.question).to.eql([]);
    }
  });

  it('8.2.1 plain EDNS: OPT of version 0', () => {
    const answer = served.ask(soa, { edns: {} });
    expect(answer.answers).to.have.length(1);
    expect(answer.edns).to.deep.include({ version: 0, flags: 0, udpSize: 1232, options: [] });
  });

  it('8.2.2 version 1: BADVERS, version 0 in the answer, no SOA', () => {
    const answer = served.ask(soa, { edns: { version: 1 } });
    expect(answer.rcode).to.equal('BADVERS');
    expect(answer.answers).to.eql([]);
    expect(answer.edns?.version).to.equal(0);
    expect(answer.flags).not.to.include('aa');
  });

  it('8.2.3 unknown option: ignored, not repeated', () => {
    const answer = served.ask(soa, { edns: { options: [{ code: 100, data: Buffer.from('x') }] } });
    expect(answer.rcode).to.equal('NOERROR');
    expect(answer.answers).to.have.length(1);
    expect(answer.edns?.options).to.eql([]);
  });

  it('8.2.4 unknown flags: ignored, clear in the answer', () => {
    const answer = served.ask(soa, { edns: { flags: 0x0040 } });
    expect(answer.rcode).to.equal('NOERROR');
    expect(answer.edns?.flags).to.equal(0);
  });

  it('8.2.5 version 1 with an unknown option and flags: BADVERS', () => {
    const answer = served.ask(soa, {
      edns: { version: 1, flags: 0x0080, options: [{ code: 100, data: Buffer.from('x') }] },
    });
    expect(answer.rcode).to.equal('BADVERS');
    expect(answer.edns).to.deep.include({ version: 0, flags: 0, options: [] });
  });

  it('8.2.6 truncation: a large answer for 512 octets has TC, and OPT', () => {
    const many = Array.from({ length: 200 }, (_, i) => `10.9.0.${i}`);
    const large = new Served([sliceOf('demo/many', 'c1', many)]);
    const answer = large.ask('many.demo.svc.hyperos.local A', { edns: { udpSize: 512 } });
    expect(answer.flags).to.include('tc');
    expect(answer.edns?.version).to.equal(0);
  });

  it('8.2.7 DO comes back (RFC 3225)', () => {
    expect(served.ask(soa, { edns: { flags: 0x8000 } }).edns?.flags).to.equal(0x8000);
  });

  it('8.2.8 several options together', () => {
    const options = [
      { code: 3, data: Buffer.alloc(0) },
      { code: 8, data: Buffer.from('00010000', 'hex') },
      { code: 9, data: Buffer.alloc(0) },
      { code: 10, data: Buffer.from('0102030405060708', 'hex') },
    ];
    const answer = served.ask(soa, { edns: { options } });
    expect(answer.rcode).to.equal('NOERROR');
    expect(answer.edns?.options.map(({ code }) => code)).to.eql([3, 10]);
  });

  it('answers NSID only where it is asked for (RFC 5001)', () => {
    const options = [{ code: 3, data: Buffer.alloc(0) }];
    const nsid = served.ask(soa, { edns: { options } }).edns?.options[0];
    expect(Buffer.from(nsid?.data ?? []).toString()).to.equal('replica-1');
    expect(new Served(objects).ask(soa, { edns: { options } }).edns?.options).to.eql([]);
  });

  it('tells its idle time to TCP clients that ask, never over UDP (RFC 7828)', () => {
    const edns = { options: [{ code: 11, data: Buffer.alloc(0) }] };
    const option = served.ask(soa, { transport: 'tcp', edns }).edns?.options[0];
    expect(option).to.deep.include({ code: 11, data: Buffer.from([0, 100]) });
    expect(served.ask(soa, { transport: 'udp', edns }).edns?.options).to.eql([]);
  });

  it('takes sizes under 512 as 512, and never gives more over UDP than it was told', () => {
    const many = Array.from({ length: 200 }, (_, i) => `10.9.0.${i}`);
    const large = new Served([sliceOf('demo/many', 'c1', many)]);
    const sizeFor = (udpSize: number | undefined) =>
      large.respond(
        makeQuery('many.demo.svc.hyperos.local', 'A', udpSize === undefined ? {} : { edns: { udpSize } }),
      ).length;
    expect(sizeFor(undefined)).to.be.within(480, 512);
    expect(sizeFor(0)).to.be.within(480, 512);
    expect(sizeFor(700)).to.be.within(680, 700);
    expect(sizeFor(65_535)).to.be.within(1_210, 1_232);
  });
});

describe('DNS cookies on the wire (RFC 7873)', () => {
  const client = Buffer.from('2464c4abcf10c957', 'hex');
  const name = 'web.demo.svc.clusterset.local A';

  function cookieOf(served: Served, data: Buffer) {
    const answer = served.ask(name, { edns: { options: [{ code: 10, data }] } });
    return { answer, cookie: Buffer.from(answer.edns?.options[0]?.data ?? []) };
  }

  it('gives a new client a cookie, which it takes back', () => {
    const served = new Served(objects);
    const { answer, cookie } = cookieOf(served, client);
    expect(answer.answers).to.have.length(1);
    expect(cookie).to.have.length(24);
    expect(cookie.subarray(0, 8)).to.eql(client);
    expect(cookieOf(served, cookie).cookie).to.eql(cookie);
    expect(served.responder.cookie).to.equal(2);
  });

  it('answers FORMERR to a cookie of illegal length (section 5.2.2)', () => {
    const served = new Served(objects);
    for (const length of [0, 1, 7, 9, 15, 41]) {
      expect(cookieOf(served, Buffer.alloc(length)).answer.rcode, String(length)).to.equal('FORMERR');
    }
  });

  it('answers a query for the cookie alone, without a question (section 5.4)', () => {
    const served = new Served(objects);
    const ask = (data: Buffer) => {
      const query = makeQuery('.', 'A', { edns: { options: [{ code: 10, data }] } });
      const bare = Buffer.concat([query.subarray(0, 12), query.subarray(17)]);
      bare.writeUInt16BE(0, 4);
      return readAnswer(served.respond(bare));
    };
    const answer = ask(client);
    expect(answer).to.deep.include({ rcode: 'NOERROR', question: [], answers: [] });
    const cookie = Buffer.from(answer.edns?.options[0]?.data ?? []);
    expect(ask(cookie).rcode).to.equal('NOERROR');
    cookie[23] = (cookie[23] ?? 0) ^ 1;
    expect(ask(cookie).rcode).to.equal('BADCOOKIE');
  });

  it('lets a client with a good cookie over the rate limit, tells one with a bad, sends others to TCP', () => {
    const cookies = new CookieBaker();
    const served = new Served(objects, {
      cookies,
      limiter: new RateLimiter({ perSecond: 1, exempt: [] }),
    });
    const { cookie } = cookieOf(served, client);
    expect(cookieOf(served, cookie).answer.answers).to.have.length(1);
    const over = cookieOf(served, client).answer;
    expect(over).to.deep.include({ rcode: 'BADCOOKIE', answers: [] });
    const plain = served.ask(name);
    expect(plain).to.deep.include({ rcode: 'NOERROR', answers: [] });
    expect(plain.flags).to.include('tc');
    expect(served.ask(name, { transport: 'tcp' }).answers).to.have.length(1);
    expect(
      served.respond(Buffer.from('000100000002000000000000', 'hex')),
      'errors are dropped',
    ).to.have.length(0);
  });
});
