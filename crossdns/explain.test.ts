import { expect } from 'chai';
import { routingAnnotations } from '../api/names.ts';
import { readOptions } from '../process/options.ts';
import { explain } from './explain.ts';
import { options } from './options.ts';
import { importOf, Served, sliceOf } from './served.fixture.ts';

const settings = readOptions(options, { 'cluster-id': ['cluster1'] }, {});
const ports = ['http/tcp:80'];
const served = new Served([
  importOf('demo/web', { ips: ['10.96.7.7'], ports, trafficDistribution: 'PreferClose' }),
  sliceOf('demo/web', 'cluster1', ['10.1.0.1', '!10.1.0.2'], { ports }),
  sliceOf('demo/web', 'cluster2', ['10.2.0.1'], { ports }),
  sliceOf('demo/web', 'cluster3', ['10.3.0.1'], {
    ports,
    annotations: { [routingAnnotations.priority]: '10' },
  }),
  sliceOf('demo/web', 'cluster4', ['10.4.0.1'], { ports, annotations: { [routingAnnotations.weight]: '0' } }),
]);

function explained(name: string, type = 'A', clientIp?: string): string[] {
  return explain({ name, type, clientIp }, settings, served.catalog, served.responder);
}

describe('an explanation', () => {
  it('says which import, slices and policies made an answer', () => {
    expect(explained('Web.demo.svc.hyperos.local.', 'A', '10.244.0.9')).to.eql([
      'zone: hyperos.local, form endpoints; clients are in cluster1',
      'service: demo/web',
      'import: ServiceImport/demo/web: ClusterSetIP, 10.96.7.7, ports http:80/tcp, near is preferred',
      'slice: EndpointSlice/demo/web-cluster1: cluster cluster1, IPv4, 1 ready, 1 not ready, ports http:80/tcp',
      'slice: EndpointSlice/demo/web-cluster2: cluster cluster2, IPv4, 1 ready, 0 not ready, ports http:80/tcp',
      'slice: EndpointSlice/demo/web-cluster3: cluster cluster3, IPv4, 1 ready, 0 not ready, ports http:80/tcp, priority 10',
      'slice: EndpointSlice/demo/web-cluster4: cluster cluster4, IPv4, 1 ready, 0 not ready, ports http:80/tcp, weight 0',
      'choice: 1 of cluster1, 1 of cluster2, 1 of cluster3, 1 of cluster4 are ready',
      'choice: 1 of cluster1, 1 of cluster2, 1 of cluster3 left: weight 0 is drained',
      'choice: 1 of cluster1, 1 of cluster2 left: priority 0 is the best that is ready',
      'choice: 1 of cluster1 left: near is preferred: in cluster cluster1',
      'client: 10.244.0.9, without rate limit, as in 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, 169.254.0.0/16, 127.0.0.0/8, fc00::/7, fe80::/10, ::1/128',
      'answer: NOERROR, 60 octets',
      '  web.demo.svc.hyperos.local. 5 IN A 10.1.0.1',
    ]);
  });

  it('says why there is none', () => {
    expect(explained('web.demo.svc.clusterset.local', 'SRV', '203.0.113.5')).to.include.members([
      'choice: the address of the import; which endpoint gets the traffic is not decided here',
      'client: 203.0.113.5, at most 2000 answers a second for its network over UDP',
    ]);
    expect(explained('nope.demo.svc.hyperos.local')).to.include(
      'service: demo/nope, of which there is no import and no slice',
    );
    expect(explained('example.org')).to.eql(['zone: none of ours', 'answer: REFUSED, 29 octets']);
    expect(explained('dns-version.hyperos.local', 'TXT')).to.include(
      "name: one of the zone's own, not of a service",
    );
    const bare = new Served([sliceOf('demo/h', 'c1', ['!10.1.0.1'])]);
    const lines = (name: string) =>
      explain({ name, type: 'A', clientIp: undefined }, settings, bare.catalog, bare.responder);
    expect(lines('h.demo.svc.hyperos.local')).to.include('choice: none, as no endpoint is ready');
    expect(lines('h.demo.svc.clusterset.local')).to.include(
      'choice: none, as a service exists in this zone only with its import',
    );
  });
});
