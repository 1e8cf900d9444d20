import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { healthAnnotations, isHolderAlive } from './holder-health.ts';

const lease = (annotations: Readonly<Record<string, string>>) => ({
  metadata: { name: 'gateway', annotations },
});

describe('the health of who holds the lease', () => {
  let server: Server;
  let status = 200;
  let port = 0;

  before(async () => {
    server = createServer((_, response) => response.writeHead(status).end());
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
  });
  after(() => new Promise(resolve => server.close(resolve)));

  const ask = (annotations: Readonly<Record<string, string>>, limitMs = 5_000) =>
    isHolderAlive(lease(annotations), AbortSignal.timeout(limitMs));

  it('is what it says itself', async () => {
    status = 200;
    expect(await ask(healthAnnotations(['127.0.0.1'], port))).to.equal(true);
    status = 503;
    expect(await ask(healthAnnotations(['127.0.0.1'], port))).to.equal(false);
  });

  it('is none where nobody listens, or nobody answers in time', async () => {
    expect(await ask(healthAnnotations(['127.0.0.1'], 1))).to.equal(false);
    const silent = createServer(() => {});
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve));
    const { port: silentPort } = silent.address() as AddressInfo;
    expect(await ask(healthAnnotations(['127.0.0.1'], silentPort), 50)).to.equal(false);
    silent.closeAllConnections();
    await new Promise(resolve => silent.close(resolve));
  });

  it('is told for both families, and not by who has no probes or no address', () => {
    expect(healthAnnotations(['10.244.0.5', 'fd00::5'], 8080)).to.deep.equal({
      'nauti.io/health': '10.244.0.5:8080',
    });
    expect(healthAnnotations(['fd00::5'], 8080)).to.deep.equal({ 'nauti.io/health': '[fd00::5]:8080' });
    expect(healthAnnotations(['10.244.0.5'], undefined)).to.deep.equal({});
    expect(healthAnnotations(undefined, 8080)).to.deep.equal({});
  });

  for (const text of [
    '',
    'host:80',
    '127.0.0.1',
    '127.0.0.1:0',
    '127.0.0.1:99999',
    'a@127.0.0.1:80',
    '127.0.0.1:80/x',
  ]) {
    it(`is none where ${JSON.stringify(text)} stands on the Lease`, async () => {
      expect(await ask({ 'nauti.io/health': text })).to.equal(false);
    });
  }
});
