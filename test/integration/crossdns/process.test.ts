import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { freePort } from '../../../ovsdb-client/testing/programs.ts';
import { ServerProcess } from './server.ts';

const examples = fileURLToPath(new URL('../../../crossdns/examples', import.meta.url));
const dashboard = fileURLToPath(
  new URL('../../../helm/nauti-agent/files/crossdns-dashboard.json', import.meta.url),
);
const program = fileURLToPath(new URL('../../../cli/nauti.ts', import.meta.url));

describe('the crossdns process', function () {
  this.timeout(180_000);
  const servers: ServerProcess[] = [];

  afterEach(() => Promise.all(servers.splice(0).map(server => server.stop())));

  async function start(...args: string[]): Promise<ServerProcess> {
    const server = await ServerProcess.start('--source', examples, '--cluster-id', 'cluster1', ...args);
    servers.push(server);
    await server.logged('all sources read, answering');
    return server;
  }

  it('answers the examples of the README, and ends with 0', async () => {
    const server = await start();
    expect(await server.data('nginx-svc.default.svc.hyperos.local A')).to.eql([
      '10.113.0.10',
      '10.113.0.11',
      '10.114.0.10',
    ]);
    expect(await server.data('nginx-svc.default.svc.clusterset.local A')).to.eql(['10.96.80.10']);
    expect(await server.data('postgres-0.cluster1.postgres.shop.svc.hyperos.local AAAA')).to.eql([
      'fd00:113::1:1',
    ]);
    expect(await server.data('_sql._tcp.postgres.shop.svc.hyperos.local SRV')).to.have.length(3);
    expect(await server.data('ledger.billing.svc.hyperos.local A')).to.eql(['10.114.2.7']);
    expect(await server.stop()).to.equal(0);
  });

  it('is ready, shows its metrics, and goes on to answer for its last moments', async () => {
    const http = await freePort();
    const server = await start('--http-listen', `127.0.0.1:${http}`, '--lameduck', '4s');
    const get = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${http}${path}`);
      return { status: response.status, text: await response.text() };
    };
    expect((await get('/readyz')).status).to.equal(200);
    await server.ask('nginx-svc.default.svc.hyperos.local A');
    const { text } = await get('/metrics');
    // More where it was asked again.
    expect(text).to.match(
      /^nauti_dns_requests_total\{zone="hyperos.local.",proto="udp",family="1",type="A"\} [1-9]/m,
    );
    expect(text).to.contain('nauti_dns_services 3');
    expect(metricsOf(dashboard).filter(name => !text.includes(`# TYPE ${name} `))).to.eql([]);
    expect(text).to.contain('nauti_dns_stale 0');
    const stopped = server.stop();
    await server.logged('stopping');
    expect((await get('/readyz')).text).to.contain('was told to stop');
    expect(await server.data('nginx-svc.default.svc.hyperos.local A')).to.have.length(3);
    expect(await stopped).to.equal(0);
  });

  it('takes other settings while it runs', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'crossdns-'));
    const file = join(directory, 'settings.yaml');
    const server = await start('--settings', file);
    await server.ask('nginx-svc.default.svc.hyperos.local A');
    expect(server.log.map(({ msg }) => msg)).not.to.include('query');
    // Renamed into its place, so that it is never seen half written.
    await writeFile(`${file}.new`, 'query-log: 1\n');
    await rename(`${file}.new`, file);
    await server.logged('settings read');
    await server.ask('nginx-svc.default.svc.hyperos.local A');
    expect(await server.logged('query')).to.include({
      name: 'nginx-svc.default.svc.hyperos.local.',
      type: 'A',
    });
    await rm(directory, { recursive: true });
  });

  it('says what is wrong with its options', () => {
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [program, 'crossdns', ...args], { encoding: 'utf8' });
    expect(run()).to.include({ status: 2 }).and.property('stderr').to.contain('--cluster-id');
    const zone = run('--cluster-id', 'c1', '--zone', 'a..b');
    expect(zone.status).to.equal(2);
    expect(zone.stderr).to.contain('Cannot use --zone as it must be a zone such as');
  });

  it('explains an answer', () => {
    const run = (...words: string[]) =>
      spawnSync(
        process.execPath,
        [program, 'crossdns', 'explain', ...words, '--source', examples, '--cluster-id', 'cluster1'],
        { encoding: 'utf8' },
      );
    const { status, stdout, stderr } = run('nginx-svc.default.svc.hyperos.local');
    expect({ status, stderr }).to.eql({ status: 0, stderr: '' });
    expect(stdout).to.contain('cluster cluster1, IPv4, 2 ready, 1 not ready').and.contain('IN A 10.114.0.10');
    expect(run('nginx-svc.default.svc.hyperos.local', 'SRV').stdout).to.contain('IN SRV 0 1 80 ');
    expect(run().status).to.equal(2);
    expect(run('a.b', 'NONSENSE').stderr).to.contain('the type must be A, AAAA');
  });

  it('fails where its address is taken', async () => {
    const server = await start();
    const second = spawnSync(
      process.execPath,
      [
        program,
        'crossdns',
        '--source',
        examples,
        '--cluster-id',
        'c1',
        '--listen',
        `127.0.0.1:${server.port}`,
      ],
      { encoding: 'utf8' },
    );
    expect(second.status).to.equal(1);
    expect(second.stderr).to.contain('EADDRINUSE');
  });

  it('ends where only TCP cannot be had, though UDP can', async () => {
    const other = createServer();
    await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const args = ['crossdns', '--source', examples, '--cluster-id', 'c1', '--listen', `127.0.0.1:${port}`];
    const { status, stderr } = spawnSync(process.execPath, [program, ...args], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    await new Promise(resolve => other.close(resolve));
    expect(status).to.equal(1);
    expect(stderr).to.contain('EADDRINUSE');
  });
});

/** The metrics that the panels of a Grafana dashboard ask for. */
function metricsOf(file: string): string[] {
  const { panels } = JSON.parse(readFileSync(file, 'utf8')) as { panels: { targets: { expr: string }[] }[] };
  const names = panels.flatMap(({ targets }) =>
    targets.flatMap(({ expr }) =>
      [...expr.matchAll(/\b((?:nauti|process)_\w+)\{/g)].map(([, name = '']) => name),
    ),
  );
  if (names.length < panels.length)
    throw new Error(`Cannot check ${file} as each panel must ask for a metric`);
  return names.map(name => name.replace(/_bucket$/, ''));
}
