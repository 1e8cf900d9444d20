import { expect } from 'chai';
import { formatAddress, parseAddress } from './address.ts';
import {
  addressAt,
  type Cidr,
  cidrHas,
  cidrHasCidr,
  cidrSize,
  cidrsOverlap,
  formatCidr,
  parseCidr,
} from './cidr.ts';

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`not a CIDR: ${text}`);
  return parsed;
}

function has(block: string, address: string): boolean {
  const parsed = parseAddress(address);
  return parsed !== undefined && cidrHas(cidr(block), parsed);
}

describe('cidr', () => {
  for (const text of [
    '0.0.0.0/0',
    '10.112.0.0/12',
    '10.113.0.0/16',
    '10.0.0.1/32',
    '::/0',
    'fd00:10:113::/64',
  ]) {
    it(`reads and prints ${text}`, () => expect(formatCidr(cidr(text))).to.equal(text));
  }

  for (const text of [
    '',
    '10.113.0.0',
    '10.113.0.0/',
    '10.113.0.0/33',
    '10.113.0.0/016',
    '10.113.0.1/16',
    '/8',
  ]) {
    it(`does not read ${JSON.stringify(text)}`, () => expect(parseCidr(text)).to.equal(undefined));
  }
  for (const text of [
    '::/129',
    'fd00::1/64',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '10.0.0.0/8 ',
    'fe80::%eth0/64',
  ]) {
    it(`does not read ${JSON.stringify(text)}`, () => expect(parseCidr(text)).to.equal(undefined));
  }

  it('knows its size, first and last address', () => {
    expect(cidrSize(cidr('10.113.0.0/16'))).to.equal(65_536n);
    expect(cidrSize(cidr('::/0'))).to.equal(2n ** 128n);
    expect(formatAddress(addressAt(cidr('10.113.0.0/16'), 1n))).to.equal('10.113.0.1');
    expect(formatAddress(addressAt(cidr('10.113.0.0/16'), -1n))).to.equal('10.113.255.255');
    expect(() => addressAt(cidr('10.113.0.0/30'), 4n)).to.throw(
      RangeError,
      'Cannot take an address of 10.113.0.0/30 as its distance must be less than 4: current value is 4',
    );
  });

  it('tells what is inside', () => {
    expect(has('10.113.0.0/16', '10.113.255.255')).to.equal(true);
    expect(has('10.113.0.0/16', '10.114.0.0')).to.equal(false);
    expect(has('10.113.0.0/16', '10.112.255.255')).to.equal(false);
    expect(has('::/0', '10.113.0.1')).to.equal(false);
    expect(cidrHasCidr(cidr('10.112.0.0/12'), cidr('10.113.0.0/16'))).to.equal(true);
    expect(cidrHasCidr(cidr('10.113.0.0/16'), cidr('10.112.0.0/12'))).to.equal(false);
    expect(cidrsOverlap(cidr('10.113.0.0/16'), cidr('10.112.0.0/12'))).to.equal(true);
    expect(cidrsOverlap(cidr('10.113.0.0/16'), cidr('10.114.0.0/16'))).to.equal(false);
  });
});
