import { expect } from 'chai';
import { formatAddress, parseAddress } from './address.ts';

describe('address', () => {
  const printed: readonly (readonly [string, string])[] = [
    ['0.0.0.0', '0.0.0.0'],
    ['10.113.0.5', '10.113.0.5'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['fd00:10:113::', 'fd00:10:113::'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ];
  for (const [text, canonical] of printed) {
    it(`prints ${text} as ${canonical}`, () => {
      const address = parseAddress(text);
      expect(address && formatAddress(address)).to.equal(canonical);
    });
  }

  const illegal = [
    '',
    ' ',
    '10.0.0',
    '10.0.0.256',
    '010.0.0.1',
    ' 10.0.0.1',
    '10.0.0.1/32',
    '1e1.0.0.1',
    '0x1.0.0.1',
  ];
  for (const text of [
    ...illegal,
    ':::',
    '1::2::3',
    '12345::',
    'fe80::1%eth0',
    '::1%',
    '١.٢.٣.٤',
    'a'.repeat(100_000),
  ]) {
    it(`does not read ${JSON.stringify(text.slice(0, 40))}`, () => {
      expect(parseAddress(text)).to.equal(undefined);
    });
  }
});
