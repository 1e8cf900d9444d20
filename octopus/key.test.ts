import { expect } from 'chai';
import { generateKeyPair, isWeakKey, presharedKey, publicKeyOf, tunnelAddress } from './key.ts';

describe('keys', () => {
  it('the public key belongs to the private one', () => {
    const { privateKey, publicKey } = generateKeyPair();
    expect(publicKeyOf(privateKey)).to.equal(publicKey);
    expect(publicKey).to.match(/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/);
  });

  it('agrees with what wg pubkey prints', () => {
    expect(publicKeyOf('BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=')).to.equal(
      'E75P6uryBMf9M1j8nAByGIHRdCeBKCJ+xnTzf3/pe20=',
    );
  });

  it('refuses a private key that is none, and does not repeat it', () => {
    for (const bad of ['', 'short', `${'A'.repeat(44)}=`]) {
      expect(() => publicKeyOf(bad)).to.throw(RangeError, 'must be base64 of 32 bytes');
    }
  });

  it('knows points of small order, with the top bit too', () => {
    expect(isWeakKey(Buffer.alloc(32).toString('base64'))).to.equal(true);
    const one = Buffer.alloc(32);
    one[0] = 1;
    one[31] = 0x80;
    expect(isWeakKey(one.toString('base64'))).to.equal(true);
    expect(isWeakKey(generateKeyPair().publicKey)).to.equal(false);
  });

  it('a pair has one pre-shared key, whatever the order; names cannot be mixed', () => {
    const secret = Buffer.from('0123456789abcdef');
    expect(presharedKey(secret, 'a', 'b')).to.equal(presharedKey(secret, 'b', 'a'));
    expect(presharedKey(secret, 'a', 'b')).to.not.equal(presharedKey(secret, 'a', 'b.c'));
    expect(presharedKey(secret, 'a', 'b')).to.not.equal(
      presharedKey(Buffer.from('0123456789abcdeF'), 'a', 'b'),
    );
  });

  it('addresses inside the tunnels are link-local, canonical, and different', () => {
    const addresses = Array.from({ length: 2_000 }, (_, index) => tunnelAddress(`cluster${index}`));
    expect(new Set(addresses).size).to.equal(2_000);
    for (const address of addresses)
      expect(address).to.match(/^fe80::([1-9a-f][0-9a-f]{0,3}:){3}[1-9a-f][0-9a-f]{0,3}$/);
  });
});
