import { expect } from 'chai';
import { annotationsOf, nodeAnnotationsOf, showsAnnotations, wishOf } from './annotations.ts';
import { addressesIn, parsePortAddress, portAddress } from './assignment.ts';
import { ip, network } from './testing/samples.ts';

describe('annotations', () => {
  const assignment = { addresses: [ip('10.113.0.5')], mac: '0a:58:0a:71:00:05', gateway: false };

  it('are those of the contract', () => {
    const written = annotationsOf(network('10.113.0.0/16'), assignment);
    expect(written).to.deep.equal({
      'nauti.io/ip_address': '10.113.0.5',
      'nauti.io/mac_address': '0a:58:0a:71:00:05',
      'nauti.io/cidr': '10.113.0.0/16',
      'nauti.io/gateway': '10.113.0.1',
      'nauti.io/logical_switch': 'default',
      'nauti.io/pod_nic_type': 'veth-pair',
      'nauti.io/routes': '[{"dst":"10.112.0.0/12","gw":"10.113.0.1"}]',
      'nauti.io/allocated': 'true',
    });
    expect(showsAnnotations({ ...written, other: 'x' }, written)).to.equal(true);
    expect(showsAnnotations({ ...written, 'nauti.io/routes': '[]' }, written)).to.equal(false);
  });

  it('of a node are the same, but for the kind of NIC', () => {
    const { 'nauti.io/pod_nic_type': _, ...rest } = annotationsOf(network('10.113.0.0/16'), assignment);
    expect(nodeAnnotationsOf(network('10.113.0.0/16'), assignment)).to.deep.equal(rest);
  });

  it('have both families side by side, and no routes on the gateway', () => {
    const dual = network('10.113.0.0/16', 'fd00:10:113::/64');
    const gateway = {
      addresses: [ip('10.113.0.1'), ip('fd00:10:113::1')],
      mac: '0a:58:0a:71:00:01',
      gateway: true,
    };
    const written = annotationsOf(dual, gateway);
    expect(written).to.deep.include({
      'nauti.io/ip_address': '10.113.0.1,fd00:10:113::1',
      'nauti.io/cidr': '10.113.0.0/16,fd00:10:113::/64',
      'nauti.io/gateway': '10.113.0.1,fd00:10:113::1',
    });
    expect(written).to.not.have.property('nauti.io/routes');
    expect(showsAnnotations({ ...written, 'nauti.io/routes': '[]' }, written)).to.equal(false);
  });

  const wishes: readonly (readonly [Record<string, string>, object])[] = [
    [{}, { kind: 'none' }],
    [
      { 'nauti.io/ip_address': '10.113.0.9' },
      { kind: 'addresses', addresses: [ip('10.113.0.9')], isAllocated: false },
    ],
    [
      { 'nauti.io/ip_address': '10.113.0.9, fd00::9', 'nauti.io/allocated': 'true' },
      { kind: 'addresses', addresses: [ip('10.113.0.9'), ip('fd00::9')], isAllocated: true },
    ],
    [
      { 'nauti.io/ip_address': '10.113.0.9,10.113.0.10' },
      { kind: 'nonsense', text: '10.113.0.9,10.113.0.10' },
    ],
    [{ 'nauti.io/ip_address': '' }, { kind: 'nonsense', text: '' }],
    [{ 'nauti.io/ip_address': '$(reboot)' }, { kind: 'nonsense', text: '$(reboot)' }],
    [{ 'nauti.io/ip_address': '10.113.0.9/16' }, { kind: 'nonsense', text: '10.113.0.9/16' }],
  ];
  for (const [annotations, wish] of wishes) {
    it(`ask: ${JSON.stringify(annotations)}`, () => expect(wishOf(annotations)).to.deep.equal(wish));
  }
});

describe('addresses of a port', () => {
  it('are printed and read', () => {
    const assignment = { mac: '0a:58:0a:71:00:05', addresses: [ip('10.113.0.5'), ip('fd00::5')] };
    expect(portAddress(assignment)).to.equal('0a:58:0a:71:00:05 10.113.0.5 fd00::5');
    expect(parsePortAddress('0a:58:0a:71:00:05 10.113.0.5 fd00::5')).to.deep.equal(assignment);
  });

  for (const text of [
    '',
    'dynamic',
    'unknown',
    'router',
    '0a:58:0a:71:00:05',
    '0a:58:0a:71:00:05 dynamic',
    '10.113.0.5',
  ]) {
    it(`are not read from ${JSON.stringify(text)}`, () => expect(parsePortAddress(text)).to.equal(undefined));
  }

  it('are found wherever a port of somebody has one', () => {
    const found = addressesIn([
      'dynamic',
      '0a:58:0a:71:00:05 10.113.0.5 fd00::5',
      'unknown',
      '0a:58:0a:71:00:06 10.113.0.6/24',
    ]);
    expect(found).to.deep.equal([ip('10.113.0.5'), ip('fd00::5'), ip('10.113.0.6')]);
  });
});
