import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { readServiceRecord } from '../../../crossdns/records.ts';
import { parseRecord, parseRedisTarget, type RedisTarget } from '../../../crossdns/redis/layout.ts';
import { Publisher } from '../../../crossdns/redis/publisher.ts';
import { importOf, Served, sliceOf } from '../../../crossdns/served.fixture.ts';
import { RedisSource } from '../../../crossdns/sources/redis.ts';
import { silentLogger } from '../../../process/log.ts';

const log = silentLogger();
const name = 'web.demo.svc.hyperos.local A';
const secret = 'not-a-secret';

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise(resolve => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** A real redis-server on loopback. */
class RedisServer {
  readonly port: number;
  readonly #directory: string;
  #child: ChildProcess | undefined;

  constructor(port: number, directory: string) {
    this.port = port;
    this.#directory = directory;
  }

  async start(...args: string[]): Promise<void> {
    this.#child = spawn(
      'redis-server',
      [
        ...['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.#directory, '--save', ''],
        ...['--requirepass', secret, '--masterauth', secret, '--dbfilename', `${this.port}.rdb`, ...args],
      ],
      { stdio: 'ignore' },
    );
    await eventually(async () => (await this.use(redis => redis.ping())) === 'PONG');
  }

  async use<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis({
      port: this.port,
      password: secret,
      retryStrategy: () => null,
      lazyConnect: true,
    });
    redis.on('error', () => {});
    try {
      await redis.connect();
      return await work(redis);
    } finally {
      redis.disconnect();
    }
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}

async function eventually(check: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (let last: unknown = 'it did not become true'; ; ) {
    try {
      if (await check()) return;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) throw new Error('waited for 20 s', { cause: last });
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

describe('crossdns over Redis', function () {
  this.timeout(60_000);
  let directory = '';
  let first: RedisServer;
  let second: RedisServer;
  let target: RedisTarget;
  let stop: AbortController;
  const running: Promise<void>[] = [];
  let origin: Served;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'crossdns-redis-'));
    first = new RedisServer(await freePort(), directory);
    second = new RedisServer(await freePort(), directory);
    await first.start();
    const url = `redis://:${secret}@127.0.0.1:${first.port},127.0.0.1:${second.port}/0?prefix=test`;
    target = parseRedisTarget(url) as RedisTarget;
    stop = new AbortController();
    origin = new Served([
      importOf('demo/web', { ips: ['10.96.7.7'] }),
      sliceOf('demo/web', 'c1', ['10.1.0.1']),
    ]);
  });

  afterEach(async () => {
    stop.abort();
    await Promise.all(running.splice(0));
    await Promise.all([first.kill(), second.kill()]);
    await rm(directory, { recursive: true });
  });

  function publish(): Publisher {
    const publisher = new Publisher(target, origin.catalog, log);
    running.push(publisher.run(stop.signal));
    return publisher;
  }

  async function follow(): Promise<{ served: Served; source: RedisSource }> {
    const served = new Served([]);
    const source = new RedisSource(target, { catalog: served.catalog, localNamespace: '', log });
    running.push(source.run(stop.signal));
    await source.untilSynced(stop.signal);
    return { served, source };
  }

  const becomes = (served: Served, answer: string | string[]) =>
    eventually(() => JSON.stringify(served.data(name)) === JSON.stringify(answer));

  it('answers in several servers what one publisher knows, and follows it', async () => {
    publish();
    const readers = await Promise.all([follow(), follow(), follow()]);
    for (const { served } of readers) {
      expect(served.data(name)).to.eql(['10.1.0.1']);
      expect(served.data('web.demo.svc.clusterset.local A')).to.eql(['10.96.7.7']);
    }
    origin.apply(sliceOf('demo/web', 'c1', ['10.1.0.2', '10.1.0.3']));
    for (const { served } of readers) await becomes(served, ['10.1.0.2', '10.1.0.3']);
    origin.remove(sliceOf('demo/web', 'c1', []));
    for (const { served } of readers) await becomes(served, 'NXDOMAIN');
  });

  it('takes over what changed while the publisher was away, and only that', async () => {
    publish();
    const { served } = await follow();
    stop.abort();
    await Promise.all(running.splice(0));
    stop = new AbortController();
    origin.apply(sliceOf('demo/web', 'c1', ['10.1.0.7']));
    origin.apply(sliceOf('demo/new', 'c1', ['10.1.0.8']));
    publish();
    const later = await follow();
    await becomes(later.served, ['10.1.0.7']);
    await eventually(() => Array.isArray(later.served.data('new.demo.svc.hyperos.local A')));
    const entries = await first.use(redis => redis.xlen(target.keys.changes));
    expect(entries, 'two objects at first, two that changed').to.equal(4);
    expect(served.data(name), 'the reader that ended keeps what it had').to.eql(['10.1.0.1']);
  });

  it('keeps answering while Redis is away, and is right again when it is back empty', async () => {
    publish();
    const { served } = await follow();
    await first.kill();
    origin.apply(sliceOf('demo/web', 'c1', ['10.1.0.5']));
    expect(served.data(name)).to.eql(['10.1.0.1']);
    await first.start();
    await becomes(served, ['10.1.0.5']);
  });

  it('keeps answering when everything is flushed or evicted, and is filled again', async () => {
    publish();
    const { served } = await follow();
    let gone = false;
    served.catalog.subscribe(service => {
      if (!service.hasReadyEndpoint) gone = true;
    });
    await first.use(redis => redis.flushall());
    await eventually(() => first.use(async redis => (await redis.hlen(target.keys.objects)) === 2));
    await first.use(redis => redis.del(target.keys.objects));
    await eventually(() => first.use(async redis => (await redis.hlen(target.keys.objects)) === 2));
    origin.apply(sliceOf('demo/web', 'c1', ['10.1.0.6']));
    await becomes(served, ['10.1.0.6']);
    expect(gone).to.equal(false);
  });

  it('goes on with a replica that becomes the master', async () => {
    await second.start('--replicaof', '127.0.0.1', String(first.port));
    publish();
    const { served } = await follow();
    await eventually(() => second.use(async redis => (await redis.hlen(target.keys.objects)) === 2));
    await first.kill();
    await second.use(redis => redis.replicaof('NO', 'ONE'));
    origin.apply(sliceOf('demo/web', 'c1', ['10.1.0.4']));
    await becomes(served, ['10.1.0.4']);
  });

  it('refuses wrong data under its keys, and keeps what it knew', async () => {
    publish();
    const { served } = await follow();
    const key = 'EndpointSlice/demo/web-c1';
    for (const wrong of [
      'x',
      'null',
      '{}',
      '{"kind":"slice","namespace":"demo","service":"web","cluster":"c1"}',
    ]) {
      await first.use(redis => redis.xadd(target.keys.changes, '*', 'key', key, 'record', wrong));
    }
    await first.use(redis => redis.hset(target.keys.objects, 'Other/key', '{"kind":"slice"}'));
    origin.apply(sliceOf('demo/web', 'c1', ['10.1.0.2']));
    await becomes(served, ['10.1.0.2']);
    await eventually(() => first.use(async redis => (await redis.hlen(target.keys.objects)) === 2));
  });

  it('does not begin before everything is there, nor with another layout', async () => {
    await first.use(redis => redis.hset(target.keys.objects, 'k', '{}'));
    await first.use(redis => redis.hset(target.keys.meta, { version: '2', beat: '1', count: '1' }));
    const served = new Served([]);
    const source = new RedisSource(target, { catalog: served.catalog, localNamespace: '', log });
    running.push(source.run(stop.signal));
    await new Promise(resolve => setTimeout(resolve, 1_500));
    expect(source.synced).to.equal(false);
    publish();
    await source.untilSynced(stop.signal);
    await becomes(served, ['10.1.0.1']);
  });
});

describe('what is in Redis', () => {
  it('is read as strictly as the objects', () => {
    const good = readServiceRecord(
      sliceOf('demo/web', 'c1', ['db=10.1.0.1@z'], { ports: ['http/tcp:80'] }),
      '',
    );
    expect(JSON.stringify(parseRecord(JSON.stringify(good)))).to.equal(
      JSON.stringify({ ...good, unready: 0 }),
    );
    for (const changes of [
      { cluster: 'a.b.c' },
      { service: 'a.b' },
      { namespace: '' },
      { family: 5 },
      { endpoints: [{ addresses: ['x'] }] },
      { endpoints: [null] },
      { ports: [{ name: 'a.b', protocol: 'tcp', port: 1 }] },
      { kind: 'other' },
    ]) {
      expect(() => parseRecord(JSON.stringify({ ...good, ...changes })), JSON.stringify(changes)).to.throw();
    }
  });

  it('has an address that logs may show', () => {
    expect(parseRedisTarget('rediss://user:pw@a,b:7000/2?prefix=x')).to.deep.include({
      urls: ['rediss://user:pw@a/2', 'rediss://user:pw@b:7000/2'],
      shown: 'rediss://a,b:7000/2',
    });
    for (const wrong of ['http://a', 'redis://', 'redis://a?prefix=a b', 'redis://a/x']) {
      expect(parseRedisTarget(wrong), wrong).to.equal(undefined);
    }
  });
});
