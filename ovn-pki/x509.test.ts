import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import { certificateRequest, newKey } from './certificate-request.ts';
import { isSignedByOneOf, renewalTime } from './certificate-state.ts';
import { issue, makeAuthority, readRequest } from './x509.ts';

const now = Date.parse('2026-01-01T00:00:00Z');
const day = 86_400_000;

async function issued(commonName: string, serverNames: readonly string[] = [], lifetime = 30 * day) {
  const authority = await makeAuthority('control', now, 90 * day);
  const key = newKey();
  const { request } = await readRequest(certificateRequest(commonName, createPrivateKey(key)));
  const pem = await issue(request, { authority, commonName, serverNames, now, lifetime });
  return { authority, key, pem, certificate: new X509Certificate(pem) };
}

describe('certificate request', () => {
  for (const name of ['a', 'node-1.example', 'n'.repeat(64)]) {
    it(`asks for ${name}, and is read by a library`, async () => {
      const key = newKey();
      const { wish, request } = await readRequest(certificateRequest(name, createPrivateKey(key)));
      expect(wish).to.deep.equal({ commonNames: [name], more: [], curve: 'P-256', selfSigned: true });
      const asked = Buffer.from(request.publicKey.rawData);
      const own = createPublicKey(createPrivateKey(key)).export({ type: 'spki', format: 'der' });
      expect(asked.equals(own)).to.equal(true);
    });
  }

  it('is not taken with another one’s key in it', async () => {
    const pem = certificateRequest('node-1', createPrivateKey(newKey()));
    const der = Buffer.from(pem.replaceAll(/-----.*-----|\s/g, ''), 'base64');
    const stranger = createPublicKey(createPrivateKey(newKey())).export({ type: 'spki', format: 'der' });
    const own = (await readRequest(pem)).request.publicKey.rawData;
    stranger.copy(der, der.indexOf(Buffer.from(own)));
    const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
    expect((await readRequest(forged)).wish.selfSigned).to.equal(false);
  });

  it('tells the curve of another key', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const read = await readRequest(certificateRequest('node-1', privateKey)).catch(() => undefined);
    expect(read?.wish.curve).to.not.equal('P-256');
  });

  for (const text of [
    '',
    'x',
    '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n',
  ]) {
    it(`is refused where it is ${JSON.stringify(text.slice(0, 40))}`, async () => {
      const outcome = await readRequest(text).then(
        () => 'read',
        () => 'refused',
      );
      expect(outcome).to.equal('refused');
    });
  }
});

describe('a certificate', () => {
  it('is of the key that asked, signed by its authority, and no authority itself', async () => {
    const { authority, key, certificate } = await issued('node-1');
    expect(certificate.subject).to.equal('CN=node-1');
    expect(certificate.checkPrivateKey(createPrivateKey(key))).to.equal(true);
    expect(isSignedByOneOf(certificate, authority.certificate)).to.equal(true);
    expect(isSignedByOneOf(certificate, (await makeAuthority('control', now, day)).certificate)).to.equal(
      false,
    );
    expect(certificate.ca).to.equal(false);
    expect(certificate.subjectAltName).to.equal(undefined);
  });

  it('of a server carries its names, and nothing else does', async () => {
    const { certificate } = await issued('nauti-ovn-central', [
      'nauti-ovn-nb',
      '*.nauti-ovn-central.nauti-system.svc',
    ]);
    expect(certificate.subjectAltName).to.equal('DNS:nauti-ovn-nb, DNS:*.nauti-ovn-central.nauti-system.svc');
    expect(certificate.checkHost('nauti-ovn-nb')).to.equal('nauti-ovn-nb');
    expect(certificate.checkHost('nauti-ovn-central')).to.equal(undefined);
  });

  it('is renewed when a third of its life is left, and never outlives its authority', async () => {
    const { certificate } = await issued('node-1');
    expect(renewalTime(certificate)).to.be.closeTo(now + 20 * day, 300_000);
    const long = await issued('node-1', [], 900 * day);
    expect(long.certificate.validToDate.getTime()).to.equal(now + 90 * day);
  });
});
