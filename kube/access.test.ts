import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { inClusterAccess, tokenAccess } from './access.ts';
import { parseServer, tlsFrom } from './cluster-access.ts';

describe('access', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'nauti-access-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('takes a pod as the kubelet made it', async () => {
    const files = { token: 'of-the-pod\n', 'ca.crt': 'PEM\n', namespace: 'nauti-system' };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    const environment = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
    const access = inClusterAccess({ environment, directory });
    expect(access.server.href).to.equal('https://[fd00::1]/');
    expect(access.namespace).to.equal('nauti-system');
    expect(await access.authorization(false)).to.equal('Bearer of-the-pod');
    expect(await access.tls()).to.deep.equal({ ca: 'PEM' });
  });

  it('says that this is no pod, or which file is missing', async () => {
    expect(() => inClusterAccess({ environment: {} })).to.throw('KUBERNETES_SERVICE_HOST');
    const environment = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' };
    const access = inClusterAccess({ environment, directory });
    expect(access.namespace).to.equal(undefined);
    const error = await access.authorization(false).catch((e: unknown) => e);
    expect(String(error)).to.contain(`Cannot read the token as the file ${directory}/token must be readable`);
  });

  it('reads a token file again on demand, and keeps the last token where it is away', async () => {
    const tokenFile = join(directory, 'token');
    writeFileSync(tokenFile, 'one');
    const access = tokenAccess({ server: 'https://198.51.100.1', tokenFile });
    expect(await access.authorization(false)).to.equal('Bearer one');
    writeFileSync(tokenFile, 'two');
    expect(await access.authorization(false)).to.equal('Bearer one');
    expect(await access.authorization(true)).to.equal('Bearer two');
    writeFileSync(tokenFile, '');
    expect(await access.authorization(true)).to.equal('Bearer two');
    rmSync(tokenFile);
    mkdirSync(tokenFile);
    expect(await access.authorization(true)).to.equal('Bearer two');
  });

  it('refuses contradictions', () => {
    const server = 'https://198.51.100.1';
    const token = () => 'x';
    expect(() => tokenAccess({ server })).to.throw('exactly one of token and tokenFile');
    expect(() => tokenAccess({ server, token, tokenFile: 'x' })).to.throw(
      'exactly one of token and tokenFile',
    );
    expect(() => tokenAccess({ server, token, ca: 'x', caFile: 'x' })).to.throw('only one of ca and caFile');
  });

  it('gives the same TLS material as long as nothing changed', async () => {
    const tls = tlsFrom({ ca: 'PEM', serverName: 'api.example' });
    const first = await tls();
    expect(first).to.deep.equal({ ca: 'PEM', serverName: 'api.example' });
    expect(await tls()).to.equal(first);
  });

  it('takes https anywhere, http on loopback only', () => {
    for (const legal of [
      'https://198.51.100.1:6443',
      'https://api.example/k8s/c-1',
      'http://127.9.9.9:1',
      'http://[::1]:1',
    ]) {
      expect(parseServer(legal, 'server').href).to.match(/^http/);
    }
    const illegal = [
      '',
      'x',
      'http://198.51.100.1',
      'http://localhost:8080',
      'http://127.0.0.1.example',
      'ftp://127.0.0.1',
    ];
    for (const value of illegal)
      expect(() => parseServer(value, 'server'), value).to.throw('Cannot use server as it must be');
    for (const value of ['https://u:secret@h', 'https://h/?q', 'https://h/#f']) {
      expect(() => parseServer(value, 'server'), value)
        .to.throw(/without user/)
        .with.property('message')
        .not.contain('secret');
    }
  });
});
