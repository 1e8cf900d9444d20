import { expect } from 'chai';
import { formatTarget, parseInternalAddress, parseTarget } from './host-port.ts';

describe('parseTarget', () => {
  for (const [text, wanted] of [
    ['198.51.100.7', '198.51.100.7:31820'],
    ['198.51.100.7:443', '198.51.100.7:443'],
    ['gw.example.com', 'gw.example.com:31820'],
    ['gw.example.com:53', 'gw.example.com:53'],
    ['2001:db8::1', '[2001:db8::1]:31820'],
    ['[2001:db8::1]:99', '[2001:db8::1]:99'],
    ['[2001:db8::1]', '[2001:db8::1]:31820'],
  ] as const) {
    it(`reads ${text}`, () => {
      const target = parseTarget(text, 31_820);
      expect(target && formatTarget(target)).to.equal(wanted);
    });
  }
  for (const bad of [
    '',
    ':1',
    'a:0',
    'a:65536',
    'a b',
    '1.2.3',
    '1.2.3.4.5',
    'fe80::1%eth0',
    '[fe80::1%eth0]:1',
    '[1.2.3.4]:1',
    '-a',
    'a:1:2',
    'a\n',
    'a;b',
    `${'a'.repeat(64)}.b`,
  ]) {
    it(`refuses ${JSON.stringify(bad)}`, () => {
      expect(parseTarget(bad, 1)).to.equal(undefined);
    });
  }
  it('internal addresses may have a prefix', () => {
    expect(parseInternalAddress('10.0.0.7/24')).to.equal('10.0.0.7');
    expect(parseInternalAddress('fd00::7')).to.equal('fd00::7');
    for (const bad of ['', 'x', '10.0.0.7/24/1', '10.0.0/24', '10.0.0.1/x'])
      expect(parseInternalAddress(bad)).to.equal(undefined);
  });
});
