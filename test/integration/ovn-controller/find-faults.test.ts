import { expect } from 'chai';
import { findFaults } from './find-faults.ts';

const pod = (ip: string, mac: string) => ({
  metadata: {
    annotations: { 'nauti.io/ip_address': ip, 'nauti.io/mac_address': mac, 'nauti.io/allocated': 'true' },
  },
});
const [a, b] = [pod('10.113.0.3', '0a:58:0a:71:00:03'), pod('10.113.0.4', '0a:58:0a:71:00:04')];
const portA = { name: 'a.demo', addresses: ['0a:58:0a:71:00:03 10.113.0.3'] };
const portB = { name: 'b.demo', addresses: ['0a:58:0a:71:00:04 10.113.0.4'] };

describe('what the tests of the ovn-controller look for', () => {
  it('is not found where all is well', () => {
    expect(findFaults(new Map(Object.entries({ 'demo/a': a, 'demo/b': b })), [portA, portB])).to.deep.equal(
      [],
    );
  });

  for (const [what, pods, ports, fault] of [
    ['an address of two pods', { 'demo/a': a, 'demo/b': a }, [portA, portB], 'both have 10.113.0.3'],
    ['a pod without one', { 'demo/a': { metadata: {} } }, [portA], 'demo/a has no address'],
    ['a port of another address', { 'demo/a': b }, [portA], 'demo/a and its port differ'],
    ['a pod without a port', { 'demo/a': a }, [], 'demo/a and its port differ'],
    ['a port without a pod', {}, [portB], 'the port b.demo has no pod'],
    ['two ports of one name', { 'demo/a': a }, [portA, portA], 'two ports have one name'],
  ] as const) {
    it(`is found where there is ${what}`, () => {
      expect(findFaults(new Map(Object.entries(pods)), ports).join()).to.contain(fault);
    });
  }
});
