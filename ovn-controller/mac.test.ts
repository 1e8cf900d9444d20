import { expect } from 'chai';
import { hasOwnMac, macOf, parseMac } from './mac.ts';
import { ip } from './testing/samples.ts';

describe('MAC', () => {
  it('derives from the address', () => {
    expect(macOf([ip('10.113.0.5')])).to.equal('0a:58:0a:71:00:05');
    expect(macOf([ip('10.113.0.5'), ip('fd00::5')])).to.equal('0a:58:0a:71:00:05');
    expect(macOf([ip('fd00:10:113::ab:cdef:1234')])).to.equal('0e:ab:cd:ef:12:34');
    expect(macOf([ip('::')])).to.equal('0e:00:00:00:00:00');
    expect(hasOwnMac(2n ** 40n - 1n)).to.equal(true);
    expect(hasOwnMac(2n ** 40n)).to.equal(false);
  });

  it('reads unicast MACs only', () => {
    expect(parseMac('0A:58:0a:71:00:05')).to.equal('0a:58:0a:71:00:05');
    for (const text of [
      '',
      'ff:ff:ff:ff:ff:ff',
      '01:00:5e:00:00:01',
      '0a:58:0a:71:00',
      '0a-58-0a-71-00-05',
      '0a:58:0a:71:00:0g',
    ]) {
      expect(parseMac(text)).to.equal(undefined);
    }
  });
});
