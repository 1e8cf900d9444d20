import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { pino } from 'pino';
import { parseRedisTarget, type RedisTarget } from '../../../crossdns/redis/layout.ts';
import { Publisher } from '../../../crossdns/redis/publisher.ts';
import { importOf, Served, sliceOf } from '../../../crossdns/served.fixture.ts';
import { RedisSource } from '../../../crossdns/sources/redis.ts';
import { Authority } from '../../../lab/certificates.ts';
import { freePort } from '../../../ovsdb-client/testing/programs.ts';
import { silentLogger } from '../../../process/log.ts';
import { eventually, RedisServer, secret } from './redisserver.ts';
import { ServerProcess } from './server.ts';

const log = silentLogger();
const name = 'web.demo.svc.hyperos.local A';

describe('crossdns over Redis', function () {
  this.timeout(180_000);
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

  /** One that ends before all else. */
  function publishAlone(): { running: Promise<void>; end: AbortController } {
    const end = new AbortController();
    const publisher = new Publisher(target, origin.catalog, log);
    return { running: publisher.run(AbortSignal.any([end.signal, stop.signal])), end };
  }

  async function follow(): Promise<{ served: Served; source: RedisSource }> {
    const served = new Served([]);
    const source = new RedisSource(target, { catalog: served.catalog, localNamespace: '', log });
    running.push(source.run(stop.signal));
    await source.untilSynced(stop.signal);
    return { served, source };
  }

  const becomes = (served: Served, answer: string | string[]) =>
    eventually(`answer ${answer}`, () => JSON.stringify(served.data(name)) === JSON.stringify(answer));
  const filled = (server: RedisServer, count = 2) =>
    eventually(`${count} objects`, async () => (await objectsIn(server)) === count);
  const objectsIn = (server: RedisServer) => server.use(redis => redis.hlen(target.keys.objects));

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
    await eventually('a new service', () => Array.isArray(later.served.data('new.demo.svc.hyperos.local A')));
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
    await filled(first);
    await first.use(redis => redis.del(target.keys.objects));
    await filled(first);
    origin.apply(sliceOf('demo/web', 'c1', ['10.1.0.6']));
    await becomes(served, ['10.1.0.6']);
    expect(gone).to.equal(false);
  });

  it('goes on with a replica that becomes the master', async () => {
    await second.start('--replicaof', '127.0.0.1', String(first.port));
    publish();
    const { served } = await follow();
    await filled(second);
    await first.kill();
    await second.use(redis => redis.replicaof('NO', 'ONE'));
    origin.apply(sliceOf('demo/web', 'c1', ['10.1.0.4']));
    await becomes(served, ['10.1.0.4']);
  });

  it('takes no answer away while the hash is not whole, also without a publisher', async () => {
    const { running: publishing, end } = publishAlone();
    const { served } = await follow();
    end.abort();
    await publishing;
    const looked = await first.calls('hscan');
    await first.use(redis => redis.del(target.keys.objects));
    await eventually('the reader looking twice', async () => (await first.calls('hscan')) >= looked + 2);
    expect(served.data(name)).to.eql(['10.1.0.1']);
    publish();
    origin.apply(sliceOf('demo/web', 'c1', ['10.1.0.3']));
    await becomes(served, ['10.1.0.3']);
  });

  it('takes no answer away when Redis evicts its keys for want of memory, and is filled again', async () => {
    publish();
    const { served } = await follow();
    let gone = false;
    served.catalog.subscribe(service => {
      if (!service.hasReadyEndpoint) gone = true;
    });
    await first.use(async redis => {
      const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
      await redis.config('SET', 'maxmemory-policy', 'allkeys-random');
      await redis.config('SET', 'maxmemory', String(used + 2_000_000));
      const isThere = () => redis.exists(target.keys.objects);
      for (let i = 0; (await isThere()) === 1 && i < 10_000; i++)
        await redis.set(`other${i}`, 'x'.repeat(50_000));
      expect(await isThere(), 'the hash was evicted').to.equal(0);
      await redis.config('SET', 'maxmemory', '0');
    });
    await filled(first);
    origin.apply(sliceOf('demo/web', 'c1', ['10.1.0.6']));
    await becomes(served, ['10.1.0.6']);
    expect(gone).to.equal(false);
  });

  it('goes on where it was after a lost connection, without reading all again', async () => {
    publish();
    const { served } = await follow();
    const read = await first.calls('hscan');
    // Publisher and reader; the publisher looks at all again, which is one more.
    await first.use(redis => redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'));
    origin.apply(sliceOf('demo/web', 'c1', ['10.1.0.2']));
    await becomes(served, ['10.1.0.2']);
    origin.apply(sliceOf('demo/web', 'c1', ['10.1.0.3']));
    await becomes(served, ['10.1.0.3']);
    expect(await first.calls('hscan')).to.equal(read + 1);
  });

  it('leaves a Redis whose publisher is silent for another of the same', async () => {
    await second.start('--replicaof', '127.0.0.1', String(first.port));
    const { running: publishing, end } = publishAlone();
    await filled(second);
    end.abort();
    await publishing;
    await second.use(redis => redis.replicaof('NO', 'ONE'));
    const served = new Served([]);
    const source = new RedisSource(
      target,
      { catalog: served.catalog, localNamespace: '', log },
      { silentFor: 3_000 },
    );
    running.push(source.run(stop.signal));
    await source.untilSynced(stop.signal);
    expect(served.data(name)).to.eql(['10.1.0.1']);
    const toSecond = parseRedisTarget(
      `redis://:${secret}@127.0.0.1:${second.port}/0?prefix=test`,
    ) as RedisTarget;
    origin.apply(sliceOf('demo/web', 'c1', ['10.1.0.9']));
    running.push(new Publisher(toSecond, origin.catalog, log).run(stop.signal));
    await becomes(served, ['10.1.0.9']);
  });

  it('speaks TLS to a Redis whose certificate its CA signed, and to no other', async () => {
    const authority = await Authority.open(join(directory, 'ca'), 'test');
    const stranger = await Authority.open(join(directory, 'stranger'), 'test');
    const pair = await authority.issue('redis', { commonName: 'redis', hosts: ['127.0.0.1'] });
    await second.startTls({ ca: authority.certificate, ...pair }, await readFile(authority.certificate));
    const secure = parseRedisTarget(
      `rediss://:${secret}@127.0.0.1:${second.port}/0?prefix=test`,
    ) as RedisTarget;
    running.push(
      new Publisher({ ...secure, ca: authority.certificate }, origin.catalog, log).run(stop.signal),
    );
    const [trusting, wary] = [authority, stranger].map(({ certificate: ca }) => {
      const served = new Served([]);
      const source = new RedisSource({ ...secure, ca }, { catalog: served.catalog, localNamespace: '', log });
      running.push(source.run(stop.signal));
      return { served, source };
    });
    await trusting?.source.untilSynced(stop.signal);
    expect(trusting?.served.data(name)).to.eql(['10.1.0.1']);
    expect(wary?.source.synced).to.equal(false);
  });

  it('needs no more rights than the README says, and says nothing of a password that is wrong', async () => {
    const keys = '~{test}:*';
    await first.use(async redis => {
      const reader = '+@read +select +info';
      const writer = '+hset +hdel +xadd +multi +exec';
      await redis.call('ACL', 'SETUSER', 'reader', 'on', '>r', keys, ...reader.split(' '));
      await redis.call(
        'ACL',
        'SETUSER',
        'writer',
        'on',
        '>w',
        keys,
        ...reader.split(' '),
        ...writer.split(' '),
      );
    });
    const as = (login: string) =>
      parseRedisTarget(`redis://${login}@127.0.0.1:${first.port}/0?prefix=test`) as RedisTarget;
    running.push(new Publisher(as('writer:w'), origin.catalog, log).run(stop.signal));
    const served = new Served([]);
    const source = new RedisSource(as('reader:r'), { catalog: served.catalog, localNamespace: '', log });
    running.push(source.run(stop.signal));
    await source.untilSynced(stop.signal);
    origin.apply(sliceOf('demo/web', 'c1', ['10.1.0.2']));
    await becomes(served, ['10.1.0.2']);

    const lines: string[] = [];
    const spoken = pino({ level: 'trace' }, { write: line => lines.push(line) });
    const refused = new RedisSource(as('reader:not-this-one'), {
      catalog: new Served([]).catalog,
      localNamespace: '',
      log: spoken,
    });
    running.push(refused.run(stop.signal));
    await eventually('a refusal in the log', () => lines.some(line => line.includes('WRONGPASS')));
    expect(refused.synced).to.equal(false);
    expect(lines.join('')).not.to.contain('not-this-one');
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
    await filled(first);
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

describe('the processes around Redis', function () {
  this.timeout(180_000);

  it('publish and answer, with addresses and passwords from the environment', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'crossdns-redis-'));
    const redis = new RedisServer(await freePort(), directory);
    await redis.start();
    const nobody = await freePort();
    const examples = fileURLToPath(new URL('../../../crossdns/examples', import.meta.url));
    const publisher = new ServerProcess(['dns-publish', '--from', examples], {
      NAUTI_TO: `redis://:${secret}@127.0.0.1:${nobody},127.0.0.1:${redis.port}`,
    });
    await publisher.logged('published');
    // Commas would separate sources here.
    const source = `redis://:${secret}@127.0.0.1:${nobody};127.0.0.1:${redis.port}`;
    const server = await ServerProcess.startWith({ NAUTI_SOURCE: source }, '--cluster-id', 'cluster1');
    await server.logged('all sources read, answering');
    const nginx = 'nginx-svc.default.svc.hyperos.local A';
    expect(await server.data(nginx)).to.eql(['10.113.0.10', '10.113.0.11', '10.114.0.10']);
    expect(await publisher.stop()).to.equal(0);
    expect(await server.data(nginx)).to.have.length(3);
    expect(await server.stop()).to.equal(0);
    for (const { log } of [publisher, server]) expect(JSON.stringify(log)).not.to.contain(secret);
    await redis.kill();
    await rm(directory, { recursive: true });
  });
});
