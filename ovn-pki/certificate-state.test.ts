import { createPrivateKey } from 'node:crypto';
import { mkdtemp, readdir, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { readCertificateFiles, writeCertificateFiles } from './certificate-directory.ts';
import { certificateRequest, newKey } from './certificate-request.ts';
import { assess, type Bundles, type CertificateFiles, clientBundle } from './certificate-state.ts';
import { issue, makeAuthority, readRequest } from './x509.ts';

const now = Date.parse('2026-01-01T00:00:00Z');
const day = 86_400_000;

describe('a certificate that is there', () => {
  let bundles: Bundles;
  let other = '';
  let files: CertificateFiles;

  before(async () => {
    const [control, chassis, stranger] = await Promise.all(
      ['control', 'chassis', 'control'].map(name => makeAuthority(name, now, 90 * day)),
    );
    if (!control || !chassis || !stranger) throw new Error('unreachable: three were made');
    bundles = { control: control.certificate, chassis: chassis.certificate };
    other = stranger.certificate;
    const key = newKey();
    const { request } = await readRequest(certificateRequest('node-1', createPrivateKey(key)));
    const given = { commonName: 'node-1', serverNames: [], now, lifetime: 30 * day };
    const certificate = await issue(request, { authority: chassis, ...given });
    files = { key, certificate, authorities: bundles.control, clients: clientBundle(bundles) };
  });

  const verdict = (
    found: CertificateFiles | undefined,
    { at = now, name = 'node-1', trusted = bundles } = {},
  ) => assess(at, found, name, 'chassis', trusted);

  it('serves until a third of its life is left', () => {
    const state = verdict(files);
    expect(state.kind).to.equal('good');
    expect(verdict(files, { at: now + 19 * day }).kind).to.equal('good');
    expect(verdict(files, { at: now + 20 * day })).to.deep.equal({ kind: 'renew', why: 'it is old' });
  });

  it('is asked for where there is none, of another name, of another key, or nonsense', () => {
    expect(verdict(undefined)).to.deep.equal({ kind: 'renew', why: 'there is none' });
    expect(verdict(files, { name: 'node-2' })).to.deep.equal({ kind: 'renew', why: 'its name is another' });
    expect(verdict({ ...files, key: newKey() })).to.deep.equal({ kind: 'renew', why: 'it cannot be read' });
    expect(verdict({ ...files, certificate: 'x' })).to.deep.equal({
      kind: 'renew',
      why: 'it cannot be read',
    });
  });

  it('is asked for at once where its authority is not trusted any more, as when the Secret was emptied', () => {
    const state = verdict(files, { trusted: { ...bundles, chassis: other } });
    expect(state).to.deep.equal({ kind: 'renew', why: 'its authority is not trusted any more' });
  });

  it('stays, with other authorities beside it, when one is added', () => {
    const trusted = { ...bundles, control: `${bundles.control}${other}` };
    expect(verdict(files, { trusted })).to.deep.equal({ kind: 'rewrite' });
  });

  it('is written whole, for its owner only, and leaves no more than the one before it', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'nauti-pki-'));
    try {
      expect(await readCertificateFiles(directory)).to.equal(undefined);
      for (let turn = 0; turn < 4; turn++) {
        await writeCertificateFiles(directory, files);
        expect(await readCertificateFiles(directory)).to.deep.equal(files);
      }
      expect((await stat(join(directory, 'current', 'tls.key'))).mode & 0o777).to.equal(0o600);
      expect(await readdir(directory))
        .to.have.length(3)
        .and.to.include(await readlink(join(directory, 'current')));
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
