import { expect } from 'chai';
import { ClientAddress } from './client.ts';
import { CookieBaker, cookieVerdict, parseSecrets } from './cookie.ts';

/** Judges an option (hex) of a client; returns the verdict and the option of the answer. */
function judge(secrets: string[], address: string, option: string, now: number): [number, string] {
  const client = new ClientAddress();
  client.setText(address);
  const reply = new Uint8Array(24);
  const message = Buffer.concat([Buffer.alloc(20), Buffer.from(option, 'hex')]);
  const baker = new CookieBaker(parseSecrets(secrets.join('\n')));
  const verdict = baker.judge(message, 20, option.length / 2, client, reply, now);
  return [verdict, Buffer.from(reply).toString('hex')];
}

describe('cookies', () => {
  const secret = 'e5e973e5a6b2a43f48e7dc849e37bfcf';
  const client = '2464c4abcf10c957';
  const server = '010000005cf79f111f8130c3eee29480';

  it('are those of RFC 9018 appendix A.1: a new client', () => {
    expect(judge([secret], '198.51.100.100', client, 0x5cf79f11)).to.eql([
      cookieVerdict.absent,
      client + server,
    ]);
  });

  it('are those of appendix A.2: one that is renewed', () => {
    expect(judge([secret], '198.51.100.100', client + server, 0x5cf7a871)).to.eql([
      cookieVerdict.good,
      `${client}010000005cf7a871d4a564a1442aca77`,
    ]);
  });

  it('are those of appendix A.3: reserved bits of another server are part of the hash', () => {
    const option = 'fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5';
    expect(judge([secret], '203.0.113.203', option, 0x5cf78f72)).to.eql([cookieVerdict.good, option]);
    const [, renewed] = judge([secret], '203.0.113.203', option, 0x5cf7a9ac);
    expect(renewed).to.equal('fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e');
  });

  it('are those of appendix A.4: IPv6, and a secret that is being replaced', () => {
    const secrets = ['445536bcd2513298075a5d379663c962', 'dd3bdf9344b678b185a6f5cb60fca715'];
    const address = '2001:db8:220:1:59de:d0f4:8769:82b8';
    const [verdict, reply] = judge(
      secrets,
      address,
      '22681ab97d52c298010000005cf7c57926556bd0934c72f8',
      0x5cf7c609,
    );
    expect(verdict).to.equal(cookieVerdict.good);
    // Younger than half an hour: it comes back as it is.
    expect(reply).to.equal('22681ab97d52c298010000005cf7c57926556bd0934c72f8');
    const [, renewed] = judge(secrets, address, '22681ab97d52c298', 0x5cf7c609);
    expect(renewed).to.equal('22681ab97d52c298010000005cf7c609a6bb79d16625507a');
  });

  it('are bad from another address, of another client cookie, too old, from the future, or changed', () => {
    const now = 0x5cf79f11;
    const verdictOf = (address: string, option: string, at: number) =>
      judge([secret], address, option, at)[0];
    expect(verdictOf('198.51.100.100', client + server, now)).to.equal(cookieVerdict.good);
    expect(verdictOf('198.51.100.101', client + server, now)).to.equal(cookieVerdict.bad);
    expect(verdictOf('198.51.100.100', `0${client.slice(1)}${server}`, now)).to.equal(cookieVerdict.bad);
    expect(verdictOf('198.51.100.100', client + server, now + 3_601)).to.equal(cookieVerdict.bad);
    expect(verdictOf('198.51.100.100', client + server, now - 301)).to.equal(cookieVerdict.bad);
    expect(verdictOf('198.51.100.100', `${client}${server.slice(0, -1)}1`, now)).to.equal(cookieVerdict.bad);
    expect(verdictOf('198.51.100.100', `${client}${server}00`, now)).to.equal(cookieVerdict.bad);
  });

  it('do not repeat a secret that is not legal', () => {
    expect(() => parseSecrets(`${secret}\nsecret`)).to.throw(
      'Cannot use line 2 as a cookie secret as it must be 32 hexadecimal digits',
    );
  });
});
