import { expect } from 'chai';
import { hubLabels } from '../api/names.ts';
import { importOf, Served, sliceOf } from './served.fixture.ts';

const web = [
  importOf('demo/web', { ips: ['10.96.7.7', 'fd96::7'], ports: ['http/tcp:80', 'tcp:42'] }),
  sliceOf('demo/web', 'cluster1', ['10.113.0.1', '10.113.0.2', '!10.113.0.3'], {
    ports: ['http/tcp:8080', 'tcp:42'],
  }),
  sliceOf('demo/web', 'cluster2', ['10.114.0.1'], { ports: ['http/tcp:8080', 'tcp:42'] }),
];
const db = [
  importOf('shop/db', { headless: true, ports: ['sql/tcp:5432'] }),
  sliceOf('shop/db', 'cluster1', ['db-0=10.113.1.1', 'db-1=10.113.1.2'], { ports: ['sql/tcp:5432'] }),
  sliceOf('shop/db', 'cluster1', ['db-0=fd00:113::1'], { name: '-v6', ports: ['sql/tcp:5432'] }),
  sliceOf('shop/db', 'cluster2', ['db-0=10.114.1.1'], { ports: ['sql/tcp:5432'] }),
];

describe('answers of a zone of the form mcs (KEP-1645)', () => {
  const served = new Served([...web, ...db]);

  it('tells the version of the schema', () => {
    expect(served.ask('dns-version.clusterset.local TXT').answers).to.eql([
      'dns-version.clusterset.local. 28800 IN TXT "1.0.0"',
    ]);
  });

  it('answers the address of a ClusterSetIP service, of each family', () => {
    expect(served.ask('web.demo.svc.clusterset.local A').answers).to.eql([
      'web.demo.svc.clusterset.local. 5 IN A 10.96.7.7',
    ]);
    expect(served.data('web.demo.svc.clusterset.local AAAA')).to.eql(['fd96::7']);
  });

  it('answers SRV of a ClusterSetIP service with the address in the additional section', () => {
    const answer = served.ask('_http._tcp.web.demo.svc.clusterset.local SRV');
    expect(answer.answers).to.eql([
      '_http._tcp.web.demo.svc.clusterset.local. 5 IN SRV 0 1 80 web.demo.svc.clusterset.local.',
    ]);
    expect(answer.additionals).to.eql([
      'web.demo.svc.clusterset.local. 5 IN A 10.96.7.7',
      'web.demo.svc.clusterset.local. 5 IN AAAA fd96::7',
    ]);
  });

  it('has one SRV a distinct target and port at the bare name', () => {
    expect(served.data('web.demo.svc.clusterset.local SRV')).to.eql([
      '0 1 42 web.demo.svc.clusterset.local.',
      '0 1 80 web.demo.svc.clusterset.local.',
    ]);
    const echo = new Served([importOf('demo/echo', { ips: ['10.96.7.8'], ports: ['tcp:42', 'udp:42'] })]);
    expect(echo.data('echo.demo.svc.clusterset.local SRV')).to.eql([
      '0 1 42 echo.demo.svc.clusterset.local.',
    ]);
  });

  it('has no SRV by name for unnamed ports', () => {
    expect(served.data('_42._tcp.web.demo.svc.clusterset.local SRV')).to.equal('NXDOMAIN');
    expect(served.data('_._tcp.web.demo.svc.clusterset.local SRV')).to.equal('NXDOMAIN');
  });

  it('answers the ready endpoints of a headless service', () => {
    expect(served.data('db.shop.svc.clusterset.local A')).to.eql(['10.113.1.1', '10.113.1.2', '10.114.1.1']);
    expect(served.data('db.shop.svc.clusterset.local AAAA')).to.eql(['fd00:113::1']);
  });

  it('answers hosts of a headless service, by cluster', () => {
    expect(served.data('db-0.cluster1.db.shop.svc.clusterset.local A')).to.eql(['10.113.1.1']);
    expect(served.data('db-0.cluster1.db.shop.svc.clusterset.local AAAA')).to.eql(['fd00:113::1']);
    expect(served.data('db-0.cluster2.db.shop.svc.clusterset.local A')).to.eql(['10.114.1.1']);
    expect(served.data('db-1.cluster2.db.shop.svc.clusterset.local A')).to.equal('NXDOMAIN');
  });

  it('names hosts without a hostname by their dashed address', () => {
    const plain = new Served([
      importOf('demo/p', { headless: true }),
      sliceOf('demo/p', 'c1', ['10.1.0.1'], { ports: ['tcp:9'] }),
      sliceOf('demo/p', 'c1', ['fd00::1', '::2', 'fd00::'], { name: '-6', ports: ['tcp:9'] }),
    ]);
    expect(plain.data('10-1-0-1.c1.p.demo.svc.clusterset.local A')).to.eql(['10.1.0.1']);
    expect(plain.data('fd00--1.c1.p.demo.svc.clusterset.local AAAA')).to.eql(['fd00::1']);
    expect(plain.data('p.demo.svc.clusterset.local SRV')).to.eql([
      '0 1 9 0--2.c1.p.demo.svc.clusterset.local.',
      '0 1 9 10-1-0-1.c1.p.demo.svc.clusterset.local.',
      '0 1 9 fd00--0.c1.p.demo.svc.clusterset.local.',
      '0 1 9 fd00--1.c1.p.demo.svc.clusterset.local.',
    ]);
  });

  it('answers SRV of a headless service: ready endpoints × named ports over all clusters', () => {
    const answer = served.ask('_sql._tcp.db.shop.svc.clusterset.local SRV', { transport: 'tcp' });
    expect([...answer.answers].sort()).to.eql([
      '_sql._tcp.db.shop.svc.clusterset.local. 5 IN SRV 0 1 5432 db-0.cluster1.db.shop.svc.clusterset.local.',
      '_sql._tcp.db.shop.svc.clusterset.local. 5 IN SRV 0 1 5432 db-0.cluster2.db.shop.svc.clusterset.local.',
      '_sql._tcp.db.shop.svc.clusterset.local. 5 IN SRV 0 1 5432 db-1.cluster1.db.shop.svc.clusterset.local.',
    ]);
    expect([...answer.additionals].sort()).to.eql([
      'db-0.cluster1.db.shop.svc.clusterset.local. 5 IN A 10.113.1.1',
      'db-0.cluster1.db.shop.svc.clusterset.local. 5 IN AAAA fd00:113::1',
      'db-0.cluster2.db.shop.svc.clusterset.local. 5 IN A 10.114.1.1',
      'db-1.cluster1.db.shop.svc.clusterset.local. 5 IN A 10.113.1.2',
    ]);
  });

  it('does not have the name of a cluster', () => {
    expect(served.data('cluster1.web.demo.svc.clusterset.local A')).to.equal('NXDOMAIN');
    // Hosts stand below it, so it exists without records (RFC 8020).
    expect(served.data('cluster1.db.shop.svc.clusterset.local A')).to.equal('NODATA');
  });

  it('does not have a headless service without ready endpoint', () => {
    const gone = new Served([
      importOf('demo/h', { headless: true }),
      sliceOf('demo/h', 'cluster1', ['!10.1.0.1']),
    ]);
    expect(gone.data('h.demo.svc.clusterset.local A')).to.equal('NXDOMAIN');
    expect(gone.data('demo.svc.clusterset.local A')).to.equal('NXDOMAIN');
  });

  it('needs the import', () => {
    const bare = new Served(web.slice(1));
    expect(bare.data('web.demo.svc.clusterset.local A')).to.equal('NXDOMAIN');
  });

  it('keeps a ClusterSetIP service without ready endpoint, and one without address', () => {
    const early = new Served([importOf('demo/early')]);
    expect(early.data('early.demo.svc.clusterset.local A')).to.equal('NODATA');
  });
});

describe('answers of a zone of the form endpoints', () => {
  const served = new Served([...web, ...db]);

  it('answers the ready endpoints of every service', () => {
    expect(served.data('web.demo.svc.hyperos.local A')).to.eql(['10.113.0.1', '10.113.0.2', '10.114.0.1']);
    expect(served.data('web.demo.svc.hyperos.local AAAA')).to.equal('NODATA');
    expect(served.data('db.shop.svc.hyperos.local AAAA')).to.eql(['fd00:113::1']);
  });

  it('answers those of one cluster', () => {
    expect(served.data('cluster1.web.demo.svc.hyperos.local A')).to.eql(['10.113.0.1', '10.113.0.2']);
    expect(served.data('cluster2.web.demo.svc.hyperos.local A')).to.eql(['10.114.0.1']);
    expect(served.data('cluster3.web.demo.svc.hyperos.local A')).to.equal('NXDOMAIN');
    expect(served.data('_http._tcp.cluster2.web.demo.svc.hyperos.local SRV')).to.eql([
      '0 1 8080 10-114-0-1.cluster2.web.demo.svc.hyperos.local.',
    ]);
  });

  it('answers hosts', () => {
    expect(served.data('10-113-0-2.cluster1.web.demo.svc.hyperos.local A')).to.eql(['10.113.0.2']);
    expect(served.data('db-0.cluster2.db.shop.svc.hyperos.local A')).to.eql(['10.114.1.1']);
    expect(served.data('10-113-0-3.cluster1.web.demo.svc.hyperos.local A')).to.equal('NXDOMAIN');
  });

  it('takes cluster ids of two labels', () => {
    const two = new Served([sliceOf('demo/web', 'north.eu', ['a=10.1.0.1'], { ports: ['http/tcp:80'] })]);
    expect(two.data('north.eu.web.demo.svc.hyperos.local A')).to.eql(['10.1.0.1']);
    expect(two.data('a.north.eu.web.demo.svc.hyperos.local A')).to.eql(['10.1.0.1']);
    expect(two.data('eu.web.demo.svc.hyperos.local A')).to.equal('NODATA');
    expect(two.data('_http._tcp.web.demo.svc.hyperos.local SRV')).to.eql([
      '0 1 80 a.north.eu.web.demo.svc.hyperos.local.',
    ]);
  });

  it('answers from slices alone, also of a namespace that does not exist here', () => {
    const slice = sliceOf('syncer-operator/x', 'cluster2', ['10.114.2.7']);
    const labels = {
      [hubLabels.serviceName]: 'ledger',
      [hubLabels.serviceNamespace]: 'billing',
      [hubLabels.clusterId]: 'cluster2',
    };
    const served = new Served([{ ...slice, metadata: { ...slice.metadata, labels } }]);
    expect(served.data('ledger.billing.svc.hyperos.local A')).to.eql(['10.114.2.7']);
  });

  it('does not let slices elsewhere speak for another namespace', () => {
    const slice = sliceOf('evil/x', 'cluster2', ['10.114.66.66']);
    const labels = {
      [hubLabels.serviceName]: 'web',
      [hubLabels.serviceNamespace]: 'demo',
      [hubLabels.clusterId]: 'cluster2',
    };
    const served = new Served([{ ...slice, metadata: { ...slice.metadata, labels } }]);
    expect(served.data('web.demo.svc.hyperos.local A')).to.equal('NXDOMAIN');
  });
});

describe('the tree of names', () => {
  const served = new Served([...web, ...db]);

  it('has SOA and NS with its address at the top', () => {
    const soa = served.ask('hyperos.local SOA').answers[0];
    expect(soa).to.match(
      /^hyperos\.local\. 5 IN SOA ns\.dns\.hyperos\.local\. hostmaster\.hyperos\.local\. \d+ 7200 1800 86400 5$/,
    );
    const ns = served.ask('hyperos.local NS');
    expect(ns.answers).to.eql(['hyperos.local. 5 IN NS ns.dns.hyperos.local.']);
    expect(ns.additionals).to.eql(['ns.dns.hyperos.local. 5 IN A 10.96.0.11']);
    expect(served.data('ns.dns.hyperos.local A')).to.eql(['10.96.0.11']);
  });

  it('answers NODATA for names that only have others below them (RFC 8020)', () => {
    for (const name of ['svc', 'demo.svc', '_tcp.web.demo.svc', 'cluster1.db.shop.svc', 'dns']) {
      const answer = served.ask(`${name}.clusterset.local A`);
      expect(answer.rcode, name).to.equal('NOERROR');
      expect(answer.answers, name).to.eql([]);
      expect(answer.authorities[0], name).to.match(/^clusterset\.local\. 5 IN SOA /);
    }
  });

  it('answers NXDOMAIN with SOA for names that do not exist (RFC 2308)', () => {
    for (const name of ['nope', 'nope.svc', 'nope.demo.svc', 'x.y.web.demo.svc', 'a.b.c.d.web.demo.svc']) {
      const answer = served.ask(`${name}.hyperos.local A`);
      expect(answer.rcode, name).to.equal('NXDOMAIN');
      expect(answer.authorities[0], name).to.match(/^hyperos\.local\. 5 IN SOA .* 5$/);
    }
  });

  it('answers NODATA for types that a name does not have', () => {
    for (const type of ['CAA', 'CNAME', 'TYPE1000', 'TXT']) {
      expect(served.data(`hyperos.local ${type}`), type).to.equal('NODATA');
      expect(served.data(`web.demo.svc.hyperos.local ${type}`), type).to.equal('NODATA');
    }
  });

  it('gives the serial number another value with every change', () => {
    const served = new Served(web);
    const [zone] = served.zones;
    const before = zone?.serial ?? 0;
    served.apply(...db);
    expect(zone?.serial).to.be.greaterThan(before);
  });

  it('prefers the longest of zones inside each other', () => {
    const nested = new Served(web, { zones: { local: 'mcs', 'hyperos.local': 'endpoints' } });
    expect(nested.data('web.demo.svc.hyperos.local A')).to.eql(['10.113.0.1', '10.113.0.2', '10.114.0.1']);
    expect(nested.data('web.demo.svc.local A')).to.eql(['10.96.7.7']);
  });
});

describe('answers over time', () => {
  it('follow the objects', () => {
    const served = new Served([]);
    const question = 'web.demo.svc.hyperos.local A';
    const scaled = (...endpoints: string[]) => served.apply(sliceOf('demo/web', 'cluster1', endpoints));
    expect(served.data(question)).to.equal('NXDOMAIN');
    scaled('10.1.0.1');
    expect(served.data(question)).to.eql(['10.1.0.1']);
    scaled('10.1.0.1', '10.1.0.2', '10.1.0.3');
    expect(served.data(question)).to.eql(['10.1.0.1', '10.1.0.2', '10.1.0.3']);
    scaled();
    expect(served.data(question)).to.equal('NXDOMAIN');
    scaled('10.1.0.9');
    expect(served.data(question)).to.eql(['10.1.0.9']);
    served.remove(sliceOf('demo/web', 'cluster1', []));
    expect(served.data(question)).to.equal('NXDOMAIN');
    expect(served.data('demo.svc.hyperos.local A')).to.equal('NXDOMAIN');
    expect(served.catalog.size).to.equal(0);
  });

  it('forget the service that a slice belonged to before', () => {
    const served = new Served([sliceOf('demo/a', 'c1', ['10.1.0.1'])]);
    const moved = sliceOf('demo/b', 'c1', ['10.1.0.1']);
    served.catalog.set('EndpointSlice/demo/a-c1', undefined);
    served.apply(moved);
    expect(served.data('a.demo.svc.hyperos.local A')).to.equal('NXDOMAIN');
    expect(served.data('b.demo.svc.hyperos.local A')).to.eql(['10.1.0.1']);
  });
});
