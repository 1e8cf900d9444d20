import { readFileSync } from 'node:fs';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { sliceOf } from '../../../crossdns/served.fixture.ts';
import { until } from '../../../lab/until.ts';
import { freePort } from '../../../ovsdb-client/testing/programs.ts';
import { ServerProcess } from './server.ts';

const question = 'web.demo.svc.hyperos.local A';
/** Enough, each from a port of its own, for the kernel to give some to each of two processes. */
const many = 40;

describe('crossdns --workers 2', function () {
  this.timeout(180_000);
  let directory = '';
  let server: ServerProcess;
  let http = 0;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'crossdns-'));
    await write('10.1.0.1');
    const port = await freePort();
    http = await freePort();
    server = await ServerProcess.start(
      ...['--source', directory, '--cluster-id', 'cluster1', '--workers', '2'],
      ...['--listen', `127.0.0.1:${port}`, '--http-listen', `127.0.0.1:${http}`],
    );
    server.port = port;
    await server.logged('all sources read, answering');
    await server.becomes(question, ['10.1.0.1']);
  });

  afterEach(async () => {
    await server.stop();
    await rm(directory, { recursive: true });
  });

  async function write(address: string): Promise<void> {
    await writeFile(join(directory, 'new'), JSON.stringify(sliceOf('demo/web', 'c1', [address])));
    await rename(join(directory, 'new'), join(directory, 'web.json'));
  }

  /** What many clients at once are answered, each answer once. */
  async function answers(): Promise<string[]> {
    const all = await Promise.all(Array.from({ length: many }, () => server.data(question)));
    return [...new Set(all.flat())];
  }

  async function allAnswer(address: string): Promise<void> {
    await until(async () => (await answers()).join() === address, {
      what: `all answering ${address}`,
      timeout: 60_000,
      interval: 20,
    });
  }

  const workers = () => childrenOf(server.child.pid ?? 0);

  it('answers from the data of one process, all the same, and counts together', async () => {
    expect(workers()).to.have.length(2);
    expect(await answers()).to.eql(['10.1.0.1']);
    for (const address of ['10.1.0.2', '10.1.0.3']) {
      await write(address);
      await allAnswer(address);
    }
    const metrics = await (await fetch(`http://127.0.0.1:${http}/metrics`)).text();
    const total = /nauti_dns_requests_total\{zone="hyperos.local.",proto="udp",family="1",type="A"\} (\d+)/;
    expect(Number(total.exec(metrics)?.[1])).to.be.greaterThan(3 * many);
    expect(metrics).to.contain('nauti_dns_services 1');
  });

  it('takes the cookie of one from all', async () => {
    const client = Buffer.from('0123456789abcdef', 'hex');
    const first = await server.ask(question, { edns: { options: [{ code: 10, data: client }] } });
    const cookie = first.edns?.options.find(({ code }) => code === 10)?.data ?? client;
    expect(cookie).to.have.length(24);
    const options = [{ code: 10, data: Buffer.from(cookie) }];
    await Promise.all(Array.from({ length: many }, () => server.ask(question, { edns: { options } })));
    const metrics = await (await fetch(`http://127.0.0.1:${http}/metrics`)).text();
    // More where one was asked again.
    const good = /nauti_dns_cookies_total\{verdict="good"\} (\d+)/.exec(metrics)?.[1];
    expect(Number(good)).to.be.at.least(many);
    expect(metrics).to.contain('nauti_dns_cookies_total{verdict="bad"} 0');
  });

  it('starts one again that ended, which answers what changed meanwhile, and ends all', async () => {
    const [victim = 0] = workers();
    process.kill(victim, 'SIGKILL');
    await server.logged('worker ended, another is started');
    await write('10.1.0.9');
    await until(() => workers().length === 2 && !workers().includes(victim), {
      what: 'two workers again',
      timeout: 60_000,
      interval: 20,
    });
    await allAnswer('10.1.0.9');
    const last = workers();
    expect(await server.stop()).to.equal(0);
    for (const pid of last) expect(() => process.kill(pid, 0), String(pid)).to.throw('ESRCH');
  });
});

/** Processes that another started. */
function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}
