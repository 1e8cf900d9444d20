import { expect } from 'chai';
import { leadsHere, sliceBodies } from './service-endpoint.ts';

describe('the slices of the gateway’s Service', () => {
  const by = { service: 'nauti-octopus', namespace: 'system', nodeName: 'n1', port: 31_820 };
  const addressesOf = (podIps: readonly string[]) =>
    sliceBodies({ ...by, podIps }).map(({ metadata, endpoints }) => [
      metadata.name,
      ...endpoints.flatMap(({ addresses }) => addresses),
    ]);

  it('hold the pod of this gateway, and nobody in a family that it has not', () => {
    expect(addressesOf(['10.244.0.7'])).to.deep.equal([
      ['nauti-octopus-ipv4', '10.244.0.7'],
      ['nauti-octopus-ipv6'],
    ]);
    expect(addressesOf(['fd00::7', '10.244.0.7'])).to.deep.equal([
      ['nauti-octopus-ipv4', '10.244.0.7'],
      ['nauti-octopus-ipv6', 'fd00::7'],
    ]);
  });

  it('hold nothing of what is no address', () => {
    expect(addressesOf(['', 'x'])).to.deep.equal([['nauti-octopus-ipv4'], ['nauti-octopus-ipv6']]);
  });

  it('name the node, where packets from outside must arrive', () => {
    const [v4] = sliceBodies({ ...by, podIps: ['10.244.0.7'] });
    expect(v4?.endpoints[0]).to.deep.include({ nodeName: 'n1' });
    expect(v4?.ports).to.deep.equal([{ name: 'wireguard', protocol: 'UDP', port: 31_820 }]);
  });

  it('are left alone only where they lead here', () => {
    const [v4, v6] = sliceBodies({ ...by, podIps: ['10.244.0.7'] });
    if (v4 === undefined || v6 === undefined) throw new Error('a slice a family');
    const [endpoint] = v4.endpoints;
    expect(leadsHere(structuredClone(v4), v4)).to.equal(true);
    // As the API server shows a slice without endpoints, and ports that nobody uses.
    for (const endpoints of [[], null, undefined]) {
      expect(leadsHere({ metadata: v6.metadata, endpoints, ports: null }, v6)).to.equal(true);
      expect(leadsHere({ metadata: v4.metadata, endpoints, ports: v4.ports }, v4)).to.equal(false);
    }
    for (const change of [
      { endpoints: [{ ...endpoint, addresses: ['10.244.1.9'] }] },
      { endpoints: [{ ...endpoint, nodeName: 'n2' }] },
      { endpoints: [{ ...endpoint, conditions: { ready: false } }] },
      { endpoints: [endpoint, { ...endpoint, addresses: ['10.244.1.9'] }] },
      { ports: [{ name: 'wireguard', protocol: 'UDP', port: 1 }] },
      { ports: null },
    ]) {
      expect(leadsHere({ ...v4, ...change }, v4), JSON.stringify(change)).to.equal(false);
    }
    expect(leadsHere({ ...v6, endpoints: [endpoint] }, v6)).to.equal(false);
  });
});
