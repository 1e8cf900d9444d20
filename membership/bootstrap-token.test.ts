import { expect } from 'chai';
import { decodeBootstrapToken, encodeBootstrapToken, fingerprintOf, lifetimeOf } from './bootstrap-token.ts';
import { MembershipError } from './membership-error.ts';

const token = {
  version: 1,
  url: 'https://198.51.100.10:6443',
  ca: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
  namespace: 'syncer-operator',
  id: 'cluster1',
  secret: 'join-cluster1-abc',
  expiresAt: '2025-03-01T12:15:00.000Z',
  token: 'header.claims.signature',
} as const;

describe('join tokens', () => {
  it('are one line that says all that is needed', () => {
    const text = encodeBootstrapToken(token);
    expect(text).to.match(/^[A-Za-z0-9_-]+$/);
    expect(decodeBootstrapToken(`\n ${text}\n`)).to.deep.equal(token);
  });

  const bad: readonly [what: string, text: string][] = [
    ['nothing', ''],
    ['blanks', '   '],
    ['two lines', `${encodeBootstrapToken(token)}\n${encodeBootstrapToken(token)}`],
    ['a part', encodeBootstrapToken(token).slice(5)],
    ['a JWT', 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlIn0.c2ln'],
    ['a number', Buffer.from('7').toString('base64url')],
    ['null', Buffer.from('null').toString('base64url')],
    ['a very long text', 'a'.repeat(200_000)],
    ['an http URL', encodeBootstrapToken({ ...token, url: 'http://198.51.100.10' })],
    ['a CA that is none', encodeBootstrapToken({ ...token, ca: 'x' })],
    ['an id that is none', encodeBootstrapToken({ ...token, id: 'A/../b' })],
    ['a namespace that is a path', encodeBootstrapToken({ ...token, namespace: '../kube-system' })],
    ['a Secret that is a path', encodeBootstrapToken({ ...token, secret: '../x' })],
    ['a token that ends the header', encodeBootstrapToken({ ...token, token: 'a\r\nb: c' })],
  ];
  for (const [what, text] of bad) {
    it(`are not ${what}, and the error repeats nothing of it`, () => {
      let error: unknown;
      try {
        decodeBootstrapToken(text);
      } catch (caught) {
        error = caught;
      }
      expect(error).to.be.instanceOf(MembershipError);
      const { problem, message } = error as MembershipError;
      expect(problem).to.equal('malformed');
      expect(message).to.match(/^Cannot use the join token as it must be the one line that/);
      if (text.trim().length > 20) expect(message).to.not.contain(text.trim().slice(0, 20));
      expect(message).to.not.contain(token.token);
    });
  }

  it('name the field that is wrong', () => {
    expect(() => decodeBootstrapToken(encodeBootstrapToken({ ...token, version: 2 as never }))).to.throw(
      '(its version must be 1)',
    );
  });

  it('are told apart without being kept', () => {
    expect(fingerprintOf(token)).to.match(/^[0-9a-f]{32}$/);
    expect(fingerprintOf(token)).to.not.equal(fingerprintOf({ ...token, token: 'another' }));
  });

  it('say how long they live, by the clock that made them', () => {
    const jwt = (claims: unknown) => `h.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.s`;
    expect(lifetimeOf(jwt({ iat: 100, exp: 3_700 }))).to.equal(3_600_000);
    for (const odd of ['', 'x', 'a.b.c', jwt(null), jwt({ iat: 100 }), jwt({ iat: '1', exp: '2' })]) {
      expect(lifetimeOf(odd), odd).to.equal(undefined);
    }
  });
});
