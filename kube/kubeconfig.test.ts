import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { stringify } from 'yaml';
import { readKubeconfig } from './kubeconfig.ts';

const pem = '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----';
const base64 = (text: string) => Buffer.from(text).toString('base64');
const server = 'https://198.51.100.1:6443';

describe('kubeconfig', () => {
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'nauti-kubeconfig-'));
    path = join(directory, 'config');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  /** A file with one context `c` for one cluster and one user. */
  function write(cluster: object, user: object, context: object = {}, to = path): void {
    const content = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'c',
      contexts: [{ name: 'c', context: { cluster: 'k', user: 'u', ...context } }],
      clusters: [{ name: 'k', cluster }],
      users: [{ name: 'u', user }],
    };
    writeFileSync(to, stringify(content));
  }
  const refusal = async (given: Parameters<typeof readKubeconfig>[0] = { path }): Promise<string> => {
    const error = await readKubeconfig(given).then(
      () => expect.fail('it should be refused'),
      (reason: unknown) => reason as Error,
    );
    return error.message;
  };

  it('reads certificates that stand in it', async () => {
    write(
      { server, 'certificate-authority-data': base64(pem), 'tls-server-name': 'api.example' },
      { 'client-certificate-data': base64(pem), 'client-key-data': base64(pem) },
      { namespace: 'demo' },
    );
    const access = await readKubeconfig({ path });
    expect(access.server.href).to.equal(`${server}/`);
    expect(access.namespace).to.equal('demo');
    expect(await access.tls()).to.deep.equal({ ca: pem, cert: pem, key: pem, serverName: 'api.example' });
    expect(await access.authorization(false)).to.equal(undefined);
  });

  it('reads files relative to itself', async () => {
    for (const name of ['ca', 'cert', 'key']) writeFileSync(join(directory, name), `${name} PEM\n`);
    writeFileSync(join(directory, 'token'), 'from-file\n');
    write(
      { server, 'certificate-authority': 'ca' },
      {
        'client-certificate': './cert',
        'client-key': join(directory, 'key'),
        tokenFile: 'token',
        token: 'unused',
      },
    );
    const access = await readKubeconfig({ path });
    expect(await access.tls()).to.deep.equal({ ca: 'ca PEM', cert: 'cert PEM', key: 'key PEM' });
    expect(await access.authorization(false)).to.equal('Bearer from-file');
  });

  it('takes the context that is asked for, and tokens', async () => {
    const content = {
      'current-context': 'c',
      contexts: [
        { name: 'c', context: { cluster: 'k', user: 'u' } },
        { name: 'd', context: { cluster: 'l', user: 'v' } },
      ],
      clusters: [
        { name: 'k', cluster: { server } },
        { name: 'l', cluster: { server: 'https://198.51.100.2' } },
      ],
      users: [
        { name: 'u', user: {} },
        { name: 'v', user: { token: 'of-v' } },
      ],
    };
    writeFileSync(path, JSON.stringify(content));
    const access = await readKubeconfig({ path, context: 'd' });
    expect(access.server.hostname).to.equal('198.51.100.2');
    expect(await access.authorization(false)).to.equal('Bearer of-v');
    expect(await refusal({ path, context: 'e' })).to.contain('contexts must have an entry named "e"');
  });

  it('merges the files of $KUBECONFIG, the first wins', async () => {
    const second = join(directory, 'second');
    writeFileSync(path, stringify({ users: [{ name: 'u', user: { token: 'of-the-first' } }] }));
    write({ server }, { token: 'of-the-second' }, {}, second);
    const access = await readKubeconfig({ environment: { KUBECONFIG: `${path}:${second}` } });
    expect(await access.authorization(false)).to.equal('Bearer of-the-first');
  });

  it('takes ~/.kube/config where nothing else is said', async () => {
    const message = await refusal({ environment: { HOME: directory } });
    expect(message).to.contain(`${directory}/.kube/config as it must be readable`);
  });

  it('refuses what is unsafe or would be ignored, and names the field', async () => {
    const cases: [object, object, string][] = [
      [{ server, 'insecure-skip-tls-verify': true }, {}, 'clusters["k"].cluster.insecure-skip-tls-verify'],
      [{ server, 'proxy-url': 'http://x' }, {}, 'clusters["k"].cluster.proxy-url'],
      [{ server: 'http://198.51.100.1' }, {}, 'clusters["k"].cluster.server'],
      [{}, {}, 'clusters["k"].cluster.server'],
      [
        { server, 'certificate-authority-data': 'no PEM' },
        {},
        'clusters["k"].cluster.certificate-authority-data',
      ],
      [{ server }, { username: 'x', password: 'secret' }, 'users["u"].user.username'],
      [{ server }, { as: 'x' }, 'users["u"].user.as'],
      [{ server }, { token: 7 }, 'users["u"].user.token'],
    ];
    for (const [cluster, user, field] of cases) {
      write(cluster, user);
      const message = await refusal();
      expect(message).to.contain(`${field} of ${path}`);
      expect(message).not.to.contain('secret');
    }
    write({ server, 'insecure-skip-tls-verify': false }, {});
    expect((await readKubeconfig({ path })).server.hostname).to.equal('198.51.100.1');
  });

  it('refuses what is no kubeconfig, without showing what it is', async () => {
    for (const [text, must] of [
      ['', 'a YAML or JSON object'],
      ['[]', 'a YAML or JSON object'],
      ['{secret: [', 'YAML or JSON'],
      ['current-context: c', 'contexts must have an entry named "c"'],
      ['contexts: []', 'current-context must be set'],
      ['{current-context: c, contexts: [{name: c, context: secret}]}', 'contexts["c"].context'],
      ['{current-context: c, contexts: [{name: c, context: {}}]}', 'contexts["c"].context.cluster'],
    ] as const) {
      writeFileSync(path, text);
      const message = await refusal();
      expect(message).to.contain(must);
      expect(message).not.to.contain('secret');
    }
  });

  it('runs the program of a user that has one', async () => {
    const credential = {
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      status: { token: 'of-the-program' },
    };
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: process.execPath,
      args: ['-e', `console.log(${JSON.stringify(JSON.stringify(credential))})`],
      interactiveMode: 'Never',
    };
    write({ server, 'certificate-authority-data': base64(pem) }, { exec });
    const access = await readKubeconfig({ path });
    expect(await access.authorization(false)).to.equal('Bearer of-the-program');
    const tls = await access.tls();
    expect(tls.ca).to.equal(pem);
    expect(await access.tls()).to.equal(tls);
  });
});
