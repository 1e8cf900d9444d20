import { expect } from 'chai';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { registerQueryMetrics } from './metrics.ts';
import { QueryLog } from './querylog.ts';
import { Served, sliceOf } from './served.fixture.ts';

describe('metrics', () => {
  it('count queries by zone, transport, family and type, answers by code, and sizes', async () => {
    const served = new Served([sliceOf('demo/web', 'c1', ['10.1.0.1'])]);
    served.ask('web.demo.svc.hyperos.local A');
    served.ask('web.demo.svc.hyperos.local A', { transport: 'tcp' });
    served.ask('nope.svc.hyperos.local AAAA');
    served.ask('example.org TYPE1000');
    served.respond(Buffer.alloc(3));
    served.responder.stats.time('udp', 3, 0.006);
    const registry = new Registry();
    registerQueryMetrics(registry, ['hyperos.local', 'clusterset.local'], () => served.responder.stats);
    const lines = (await registry.metrics()).split('\n');
    for (const line of [
      'nauti_dns_requests_total{zone="hyperos.local.",proto="udp",family="1",type="A"} 1',
      'nauti_dns_requests_total{zone="hyperos.local.",proto="tcp",family="1",type="A"} 1',
      'nauti_dns_requests_total{zone="none",proto="udp",family="1",type="other"} 2',
      'nauti_dns_responses_total{zone="hyperos.local.",rcode="NOERROR"} 2',
      'nauti_dns_responses_total{zone="hyperos.local.",rcode="NXDOMAIN"} 1',
      'nauti_dns_responses_total{zone="none",rcode="REFUSED"} 1',
      'nauti_dns_dropped_total 1',
      'nauti_dns_response_size_bytes_bucket{proto="udp",le="100"} 2',
      'nauti_dns_response_size_bytes_bucket{proto="udp",le="+Inf"} 3',
      'nauti_dns_response_size_bytes_count{proto="tcp"} 1',
      'nauti_dns_request_duration_seconds_bucket{proto="udp",le="0.000002"} 3',
      'nauti_dns_request_duration_seconds_count{proto="udp"} 3',
    ]) {
      expect(lines).to.include(line);
    }
  });
});

describe('the query log', () => {
  it('is off until a share is set, and says who asked what and what he got', () => {
    const lines: string[] = [];
    const log = pino({ base: null, timestamp: false }, { write: (line: string) => void lines.push(line) });
    const queryLog = new QueryLog(log);
    const served = new Served([sliceOf('demo/web', 'c1', ['10.1.0.1'])], { queryLog });
    served.client.setText('10.7.7.7');
    served.ask('WEB.demo.svc.hyperos.local A');
    expect(lines).to.eql([]);
    queryLog.sample = 1;
    served.ask('WEB.demo.svc.hyperos.local A');
    served.respond(Buffer.from('000100000001000000000000', 'hex'));
    expect(lines.map(line => JSON.parse(line))).to.eql([
      {
        level: 30,
        client: '10.7.7.7',
        transport: 'udp',
        name: 'web.demo.svc.hyperos.local.',
        type: 'A',
        rcode: 0,
        size: 60,
        msg: 'query',
      },
      { level: 30, client: '10.7.7.7', transport: 'udp', type: 'TYPE0', rcode: 1, size: 12, msg: 'query' },
    ]);
    queryLog.sample = 0.25;
    lines.length = 0;
    for (let i = 0; i < 4_000; i++) served.ask('web.demo.svc.hyperos.local A');
    expect(lines.length).to.be.within(800, 1_200);
  });
});
