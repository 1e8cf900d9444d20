import { expect } from 'chai';
import { Counter, Registry } from 'prom-client';
import { Probes, serveProbes } from './probes.ts';

describe('probes', () => {
  it('answer 503 with what is missing until every check holds', async () => {
    const probes = new Probes();
    const metrics = new Registry();
    new Counter({ name: 'nauti_test_total', help: 'A count.', registers: [metrics] }).inc(3);
    let synced = false;
    probes.ready('view', () => synced || 'the caches have not synced');
    const server = await serveProbes({ host: '127.0.0.1', port: 0 }, probes, metrics);
    const get = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${server.port}${path}`);
      return { status: response.status, body: await response.text() };
    };
    try {
      expect(await get('/readyz')).to.deep.equal({ status: 503, body: 'view: the caches have not synced\n' });
      expect(await get('/healthz')).to.deep.equal({ status: 200, body: 'ok\n' });
      synced = true;
      expect(await get('/readyz?verbose')).to.deep.equal({ status: 200, body: 'ok\n' });
      expect((await get('/metrics')).body).to.contain('nauti_test_total 3');
      expect((await get('/')).status).to.equal(404);
    } finally {
      await server.close();
    }
  });

  it('say which address is taken', async () => {
    const first = await serveProbes({ host: '127.0.0.1', port: 0 }, new Probes(), new Registry());
    try {
      const second = serveProbes({ host: '127.0.0.1', port: first.port }, new Probes(), new Registry());
      const error: unknown = await second.then(
        () => undefined,
        reason => reason,
      );
      expect(String(error)).to.contain('EADDRINUSE');
    } finally {
      await first.close();
    }
  });
});
