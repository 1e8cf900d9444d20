import { expect } from 'chai';
import { sliceBodies } from './service-endpoint.ts';

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
});
