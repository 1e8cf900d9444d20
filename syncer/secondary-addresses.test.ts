import { expect } from 'chai';
import type { KubeObject } from '../api/meta.ts';
import { podsOf, readAddressedPod, secondaryAddresses } from './secondary-addresses.ts';
import { readSliceText, sliceText, type WrittenEndpoint } from './slice-content.ts';

function pod(annotations: Record<string, string>, status: object = { phase: 'Running' }): KubeObject {
  return { metadata: { namespace: 'demo', name: 'web-0', uid: 'u0', annotations }, status };
}

const allocated = { 'nauti.io/ip_address': '10.113.0.7', 'nauti.io/allocated': 'true' };

function endpoint(address: string, targetRef?: WrittenEndpoint['targetRef']): WrittenEndpoint {
  return {
    addresses: [address],
    conditions: { ready: true, serving: true, terminating: false },
    ...(targetRef && { targetRef }),
  };
}

const ref = (name: string, uid: string, namespace = 'demo') => ({ kind: 'Pod', name, uid, namespace });

function slice(endpoints: readonly WrittenEndpoint[], addressType: 'IPv4' | 'IPv6' = 'IPv4') {
  const ports = [{ name: 'http', protocol: 'TCP', port: 8080 }] as const;
  return { namespace: 'demo', text: sliceText({ addressType, endpoints, ports }) };
}

describe('secondary addresses', () => {
  describe('of a pod', () => {
    const refused: readonly [string, KubeObject][] = [
      ['it is not allocated yet', pod({ 'nauti.io/ip_address': '10.113.0.7' })],
      ['allocated is not the word', pod({ ...allocated, 'nauti.io/allocated': 'yes' })],
      ['it has none', pod({ 'nauti.io/allocated': 'true' })],
      ['it is no address', pod({ ...allocated, 'nauti.io/ip_address': '10.113.0.7; reboot' })],
      ['it is a CIDR', pod({ ...allocated, 'nauti.io/ip_address': '10.113.0.7/16' })],
      ['it is finished', pod(allocated, { phase: 'Succeeded' })],
      ['it failed', pod(allocated, { phase: 'Failed' })],
      ['it has a zone', pod({ ...allocated, 'nauti.io/ip_address': 'fd00::1%eth0' })],
      ...[
        '127.0.0.1',
        '169.254.169.254',
        '224.0.0.1',
        '255.255.255.255',
        '0.0.0.0',
        '::1',
        '::',
        '::ffff:10.0.0.1',
        'fe80::1',
        'ff02::1',
      ].map((address): [string, KubeObject] => [
        `${address} is in no EndpointSlice`,
        pod({ ...allocated, 'nauti.io/ip_address': address }),
      ]),
    ];
    for (const [why, object] of refused) {
      it(`is unknown, as ${why}`, () => expect(readAddressedPod(object)).to.equal(undefined));
    }

    it('is one a family', () => {
      expect(readAddressedPod(pod(allocated))).to.deep.equal({ uid: 'u0', addresses: ['10.113.0.7'] });
      const both = pod({ ...allocated, 'nauti.io/ip_address': '10.113.0.7, fd00:10:113::7,10.113.0.8' });
      expect(readAddressedPod(both)?.addresses).to.deep.equal(['10.113.0.7', 'fd00:10:113::7']);
    });
  });

  describe('of a slice', () => {
    const known = new Map([
      ['demo/web-0', { uid: 'u0', addresses: ['10.113.0.7', 'fd00:10:113::7'] }],
      ['demo/web-1', { uid: 'u1', addresses: ['10.113.0.8'] }],
      ['other/web-9', { uid: 'u9', addresses: ['10.113.0.9'] }],
    ]);
    const addresses = secondaryAddresses(key => known.get(key));
    const published = (endpoints: readonly WrittenEndpoint[], family?: 'IPv4' | 'IPv6') =>
      readSliceText(addresses(slice(endpoints, family))).endpoints.map(one => one.addresses[0]);

    it('replace those of the primary network, in the family of the slice, and all else stays', () => {
      const endpoints = [endpoint('10.1.0.1', ref('web-0', 'u0')), endpoint('10.1.0.2', ref('web-1', 'u1'))];
      expect(published(endpoints)).to.deep.equal(['10.113.0.7', '10.113.0.8']);
      expect(published(endpoints, 'IPv6')).to.deep.equal(['fd00:10:113::7']);
      const {
        ports,
        endpoints: [first],
      } = readSliceText(addresses(slice(endpoints)));
      expect(ports).to.deep.equal([{ name: 'http', protocol: 'TCP', port: 8080 }]);
      expect(first).to.deep.include({ targetRef: ref('web-0', 'u0') });
    });

    it('are only of the very pod that the slice means, in its own namespace', () => {
      expect(
        published([
          endpoint('10.1.0.1', ref('web-0', 'an earlier one')),
          endpoint('10.1.0.2', ref('web-7', 'u7')),
          endpoint('10.1.0.3', ref('web-9', 'u9', 'other')),
          endpoint('10.1.0.4', { ...ref('web-0', 'u0'), kind: 'Node' }),
          endpoint('10.1.0.5'),
        ]),
      ).to.deep.equal([]);
    });

    it('say which pods they depend on', () => {
      const { namespace, text } = slice([
        endpoint('10.1.0.1', ref('web-0', 'u0')),
        endpoint('10.1.0.3', ref('web-9', 'u9', 'other')),
        endpoint('10.1.0.5'),
      ]);
      expect(podsOf(namespace, text)).to.deep.equal(['demo/web-0']);
    });
  });
});
