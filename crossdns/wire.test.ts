import { expect } from 'chai';
import { Packet } from 'dns2';
import { makeQuery, readAnswer } from './dnsclient.ts';
import { importOf, Served, sliceOf } from './served.fixture.ts';

const objects = [
  importOf('demo/web', { ips: ['10.96.7.7'], ports: ['http/tcp:80'] }),
  sliceOf('demo/web', 'c1', ['10.1.0.1', '10.1.0.2'], { ports: ['http/tcp:80'] }),
];
const name = 'web.demo.svc.hyperos.local';

describe('messages', () => {
  const served = new Served(objects);
  const good = makeQuery(name, 'A');

  /** The answer to a query whose octets at `at` are replaced. */
  function changed(at: number, ...octets: number[]) {
    const query = Buffer.from(good);
    for (const [i, octet] of octets.entries()) query[at + i] = octet;
    return served.respond(query);
  }

  it('keep id, question and its case (RFC 5452, 0x20)', () => {
    const answer = served.ask('wEb.dEMo.SVC.hYperos.LOCAL A', { id: 0xbeef });
    expect(answer.id).to.equal(0xbeef);
    expect(answer.question).to.eql(['wEb.dEMo.SVC.hYperos.LOCAL. A']);
    expect(answer.answers[0]).to.match(/^wEb\.dEMo\.SVC\.hYperos\.LOCAL\. 5 IN A /);
  });

  it('compare names without case of ASCII letters only (RFC 4343)', () => {
    expect(served.data('WEB.demo.SVC.HyperOS.local A')).to.have.length(2);
    // 0x40 and 0x5b stand beside the letters, and are none.
    expect(served.data('w@b.demo.svc.hyperos.local A')).to.equal('NXDOMAIN');
    expect(served.data('w[b.demo.svc.hyperos.local A')).to.equal('NXDOMAIN');
  });

  it('get no answer where they are none, or are answers themselves', () => {
    expect(served.respond(Buffer.alloc(0))).to.have.length(0);
    expect(served.respond(good.subarray(0, 11))).to.have.length(0);
    expect(changed(2, 0x81)).to.have.length(0);
  });

  it('are FORMERR, header only, where they are malformed', () => {
    const malformed: Record<string, Uint8Array> = {
      'no question': changed(4, 0, 0),
      'two questions': changed(4, 0, 2),
      'an answer': changed(6, 0, 1),
      'an authority': changed(8, 0, 1),
      'an additional that is missing': changed(10, 0, 1),
      'a question that is cut off': served.respond(good.subarray(0, good.length - 1)),
      'a name that is cut off': served.respond(good.subarray(0, 20)),
      'octets behind the end': served.respond(Buffer.concat([good, Buffer.of(0)])),
      'a pointer in the question': changed(12, 0xc0, 0x0c),
      'a label of an unknown kind': changed(12, 0x43),
      'a label over 63 octets': changed(12, 0x40),
    };
    for (const [what, octets] of Object.entries(malformed)) {
      expect(readAnswer(octets), what).to.deep.include({ rcode: 'FORMERR', question: [], id: 1 });
      expect(octets, what).to.have.length(12);
    }
  });

  it('may have names of 255 octets and labels of 63, not more (RFC 1035 section 2.3.4)', () => {
    const label = 'x'.repeat(63);
    const longest = `${[label, label, label].join('.')}.${'y'.repeat(61)}`;
    expect(served.ask(`${longest} A`).rcode).to.equal('REFUSED');
    expect(served.ask(`${longest}y A`).rcode).to.equal('FORMERR');
    const deep = `${'a.'.repeat(120)}local`;
    expect(served.ask(`${deep} A`).rcode).to.equal('REFUSED');
  });

  it('may carry other additional records, whose names may be pointers that lead back', () => {
    const record = (...owner: number[]) => Buffer.from([...owner, 0, 16, 0, 1, 0, 0, 0, 0, 0, 1, 7]);
    const withRecord = (octets: Buffer) => {
      const query = Buffer.concat([good, octets]);
      query.writeUInt16BE(1, 10);
      return readAnswer(served.respond(query)).rcode;
    };
    expect(withRecord(record(0xc0, 12))).to.equal('NOERROR');
    expect(withRecord(record(1, 0x61, 0xc0, 12))).to.equal('NOERROR');
    expect(withRecord(record(0xc0, good.length)), 'to itself').to.equal('FORMERR');
    expect(withRecord(record(0xff, 0xff)), 'forward').to.equal('FORMERR');
    expect(withRecord(record(0xc0, 4)), 'into the header').to.equal('FORMERR');
  });

  it('have one OPT at most, at the root (RFC 6891 section 6.1.1)', () => {
    const query = makeQuery(name, 'A', { edns: {} });
    const opt = query.subarray(good.length);
    const two = Buffer.concat([query, opt]);
    two.writeUInt16BE(2, 10);
    expect(readAnswer(served.respond(two)).rcode).to.equal('FORMERR');
    const named = Buffer.concat([good, Buffer.of(1, 0x61), opt]);
    named.writeUInt16BE(1, 10);
    expect(readAnswer(served.respond(named)).rcode).to.equal('FORMERR');
    const cut = makeQuery(name, 'A', { edns: { options: [{ code: 3, data: Buffer.alloc(0) }] } });
    cut.writeUInt16BE(9, cut.length - 2);
    expect(readAnswer(served.respond(cut)).rcode).to.equal('FORMERR');
  });

  it('of other classes and zones are REFUSED without data, so that nothing is amplified', () => {
    for (const answer of [
      served.ask('example.com A'),
      served.ask('local A'),
      served.ask('. NS'),
      served.ask('notclusterset.local A'),
      served.ask(`${name} A`, { class: 3 }),
      served.ask('hyperos.local AXFR', { transport: 'tcp' }),
    ]) {
      expect(answer).to.deep.include({ rcode: 'REFUSED', answers: [], authorities: [], additionals: [] });
      expect(answer.flags).not.to.include('aa');
    }
    const query = makeQuery('example.com', 'A');
    expect(served.respond(query)).to.have.length(query.length);
  });

  it('of class ANY are answered as IN', () => {
    expect(served.ask(`${name} A`, { class: 255 }).answers).to.have.length(2);
  });

  it('that ask for ANY get one HINFO (RFC 8482), and NXDOMAIN and NODATA as others do', () => {
    expect(served.ask(`${name} ANY`).answers).to.eql([`${name}. 5 IN HINFO "RFC8482" ""`]);
    expect(served.data('nope.svc.hyperos.local ANY')).to.equal('NXDOMAIN');
    expect(served.data('svc.hyperos.local ANY')).to.equal('NODATA');
  });

  it('never have the target of SRV compressed (RFC 2782)', () => {
    const octets = Buffer.from(served.respond(makeQuery(`_http._tcp.${name}`, 'SRV')));
    const target = Buffer.concat(
      `10-1-0-1.c1.${name}`.split('.').flatMap(label => [Buffer.of(label.length), Buffer.from(label)]),
    );
    expect(octets.includes(Buffer.concat([target, Buffer.of(0)]))).to.equal(true);
  });

  it('are read the same by another implementation', () => {
    for (const question of [`${name} A`, `_http._tcp.${name} SRV`, `nope.${name} A`, 'hyperos.local SOA']) {
      const [asked = '', type = ''] = question.split(' ');
      const octets = served.respond(makeQuery(asked, type, { edns: {} }));
      const ours = readAnswer(octets);
      const theirs = Packet.parse(Buffer.from(octets)) as unknown as Record<
        'answers' | 'authorities' | 'additionals',
        { name: string; type: number; ttl: number; address?: string; target?: string; port?: number }[]
      > & { header: { id: number; aa: number; rcode: number } };
      expect(theirs.header.aa).to.equal(1);
      expect(theirs.answers.map(({ name, ttl }) => `${name}. ${ttl}`)).to.eql(
        ours.answers.map(line => line.split(' ', 2).join(' ')),
      );
      for (const [i, record] of theirs.answers.entries()) {
        if (record.address) expect(ours.answers[i]).to.contain(` A ${record.address}`);
        if (record.target) expect(ours.answers[i]).to.contain(`${record.port} ${record.target}.`);
      }
      expect(theirs.authorities).to.have.length(ours.authorities.length);
    }
  });

  it('are answered as well when another implementation asks', () => {
    const packet = new Packet();
    packet.header.id = 4711;
    packet.header.rd = 1;
    packet.questions.push({ name, type: Packet.TYPE.A, class: Packet.CLASS.IN } as never);
    const answer = readAnswer(served.respond(packet.toBuffer()));
    expect(answer.id).to.equal(4711);
    expect(answer.answers).to.have.length(2);
  });

  it('get SERVFAIL in a zone until the data is there, REFUSED outside of it', () => {
    const early = new Served(objects);
    early.responder.ready = false;
    expect(early.ask(`${name} A`).rcode).to.equal('SERVFAIL');
    expect(early.ask('example.com A').rcode).to.equal('REFUSED');
  });
});
