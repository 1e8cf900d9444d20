import { expect } from 'chai';
import { balancerTarget } from './own-service.ts';

describe('the load balancer of the gateway’s Service', () => {
  const service = (
    ingress: unknown,
    type = 'LoadBalancer',
    ports: unknown = [{ protocol: 'UDP', port: 443 }],
  ) => ({
    metadata: {},
    spec: { type, ports },
    status: { loadBalancer: { ingress } },
  });

  it('is reached at its address or name, and the port of the Service', () => {
    expect(balancerTarget(service([{ ip: '203.0.113.7' }]))).to.deep.equal({
      host: '203.0.113.7',
      port: 443,
    });
    expect(balancerTarget(service([{ ip: '2001:db8::7' }]))).to.deep.equal({
      host: '2001:db8::7',
      port: 443,
    });
    const named = [{ hostname: 'gw.elb.example.com' }, { ip: '203.0.113.8' }];
    expect(balancerTarget(service(named))).to.deep.equal({ host: 'gw.elb.example.com', port: 443 });
  });

  it('is none before it is there, for other Services, and where it says nonsense', () => {
    for (const other of [
      undefined,
      { metadata: {} },
      { metadata: {}, spec: null, status: null },
      service(undefined),
      service([]),
      service('203.0.113.7'),
      service([
        null,
        { ip: 7 },
        { ip: '203.0.113' },
        { hostname: '' },
        { hostname: 'a b' },
        { ip: '203.0.113.7:80' },
      ]),
      service([{ ip: '203.0.113.7' }], 'NodePort'),
      service([{ ip: '203.0.113.7' }], 'LoadBalancer', []),
      service([{ ip: '203.0.113.7' }], 'LoadBalancer', [{ protocol: 'TCP', port: 443 }]),
    ])
      expect(balancerTarget(other as never), JSON.stringify(other)).to.equal(undefined);
  });
});
