import { expect } from 'chai';
import { type Cidr, parseCidr } from '../ipam/cidr.ts';
import { readOptions } from '../process/options.ts';
import { options } from './options.ts';
import { reverseZoneNames } from './reversezone.ts';
import { importOf, Served, sliceOf } from './served.fixture.ts';

const names = (cidr: string) => reverseZoneNames(parseCidr(cidr) as Cidr);

describe('reverse zones', () => {
  it('are the octets of an IPv4 network, the groups of four bits of an IPv6 network', () => {
    expect(names('10.0.0.0/8')).to.eql(['10.in-addr.arpa']);
    expect(names('10.112.0.0/14')).to.eql([
      '112.10.in-addr.arpa',
      '113.10.in-addr.arpa',
      '114.10.in-addr.arpa',
      '115.10.in-addr.arpa',
    ]);
    expect(names('10.112.0.0/24')).to.eql(['0.112.10.in-addr.arpa']);
    expect(names('fd00:112::/32')).to.eql(['2.1.1.0.0.0.d.f.ip6.arpa']);
    expect(names('fd00::/15')).to.have.length(2);
  });

  it('are refused for networks that would be more than 128 zones, or smaller than one', () => {
    const read = (text: string) =>
      readOptions({ reverse: options.reverseZone }, { 'reverse-zone': [text] }, {});
    for (const text of ['10.0.0.0/7', '10.0.0.0/25', 'fd00::/15', 'fd00::/128', 'x']) {
      expect(() => read(text), text).to.throw('Cannot use --reverse-zone as it must be a network');
    }
    expect(read('10.112.0.0/12').reverse).to.have.length(1);
    expect(readOptions({ reverse: options.reverseZone }, {}, {}).reverse).to.eql([]);
  });
});

describe('PTR', () => {
  const served = new Served(
    [
      importOf('demo/web', { ips: ['10.113.200.1'] }),
      sliceOf('demo/web', 'c1', ['10.113.0.1', '!10.113.0.2', 'db-0=10.113.0.3']),
      sliceOf('demo/web', 'c2', ['fd00:113::5'], { name: '-6' }),
      sliceOf('other/app', 'c1', ['10.113.0.1']),
      sliceOf('other/app', 'c2', ['10.200.0.1']),
    ],
    { reverse: ['10.112.0.0/12', 'fd00:112::/31'] },
  );

  it('answers the host of an endpoint, one for each service that has it', () => {
    expect(served.data('1.0.113.10.in-addr.arpa PTR')).to.eql([
      '10-113-0-1.c1.app.other.svc.hyperos.local.',
      '10-113-0-1.c1.web.demo.svc.hyperos.local.',
    ]);
    expect(served.data('3.0.113.10.in-addr.arpa PTR')).to.eql(['db-0.c1.web.demo.svc.hyperos.local.']);
    const v6 = '5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.1.1.0.0.0.d.f.ip6.arpa';
    expect(served.data(`${v6} PTR`)).to.eql(['fd00-113--5.c2.web.demo.svc.hyperos.local.']);
    expect(served.data(`${v6.toUpperCase()} PTR`)).to.eql(['fd00-113--5.c2.web.demo.svc.hyperos.local.']);
  });

  it('answers names that answer the address', () => {
    for (const address of ['10.113.0.1', '10.113.0.3', '10.113.200.1']) {
      const reversed = address.split('.').reverse().join('.');
      const found = served.data(`${reversed}.in-addr.arpa PTR`);
      for (const name of found) expect(served.data(`${name} A`), name).to.eql([address]);
      expect(found, address).not.to.be.empty;
    }
  });

  it('answers the service of a virtual address, by its name in a zone of the form mcs', () => {
    expect(served.data('1.200.113.10.in-addr.arpa PTR')).to.eql(['web.demo.svc.clusterset.local.']);
  });

  it('does not know addresses that are not ready or of nobody, nor what is no address', () => {
    for (const name of [
      '2.0.113.10',
      '9.9.113.10',
      '01.0.113.10',
      'x.0.113.10',
      '256.0.113.10',
      '1.1.0.113.10',
    ]) {
      const answer = served.ask(`${name}.in-addr.arpa PTR`);
      expect(answer.rcode, name).to.equal('NXDOMAIN');
      expect(answer.authorities[0], name).to.match(
        /^113\.10\.in-addr\.arpa\. 5 IN SOA ns\.dns\.hyperos\.local\. /,
      );
    }
  });

  it('answers NODATA above addresses and for other types, SOA and NS at the top', () => {
    expect(served.data('0.113.10.in-addr.arpa PTR')).to.equal('NODATA');
    expect(served.data('1.0.113.10.in-addr.arpa A')).to.equal('NODATA');
    expect(served.data('113.10.in-addr.arpa NS')).to.eql(['ns.dns.hyperos.local.']);
    expect(served.data('113.10.in-addr.arpa SOA')).to.have.length(1);
  });

  it('refuses networks that it was not asked to serve', () => {
    expect(served.data('1.0.200.10.in-addr.arpa PTR')).to.equal('REFUSED');
    expect(new Served([]).data('1.0.113.10.in-addr.arpa PTR')).to.equal('REFUSED');
  });

  it('follows the objects', () => {
    const moved = new Served([sliceOf('demo/web', 'c1', ['10.113.0.1'])], { reverse: ['10.112.0.0/12'] });
    moved.apply(sliceOf('demo/web', 'c1', ['10.113.0.2']));
    expect(moved.data('1.0.113.10.in-addr.arpa PTR')).to.equal('NXDOMAIN');
    expect(moved.data('2.0.113.10.in-addr.arpa PTR')).to.have.length(1);
    moved.remove(sliceOf('demo/web', 'c1', []));
    expect(moved.data('2.0.113.10.in-addr.arpa PTR')).to.equal('NXDOMAIN');
  });

  it('names hosts of headless services where all zones are of the form mcs', () => {
    const strict = new Served(
      [
        importOf('demo/db', { headless: true }),
        sliceOf('demo/db', 'c1', ['db-0=10.113.0.3']),
        importOf('demo/web', { ips: [] }),
        sliceOf('demo/web', 'c1', ['10.113.0.4']),
      ],
      { reverse: ['10.112.0.0/12'], zones: { 'clusterset.local': 'mcs' } },
    );
    expect(strict.data('3.0.113.10.in-addr.arpa PTR')).to.eql(['db-0.c1.db.demo.svc.clusterset.local.']);
    expect(strict.data('4.0.113.10.in-addr.arpa PTR')).to.equal('NXDOMAIN');
  });
});
