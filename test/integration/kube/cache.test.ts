import { expect } from 'chai';
import { Registry } from 'prom-client';
import type { KubeObject } from '../../../api/meta.ts';
import { configMaps } from '../../../api/resource.ts';
import { type CacheOptions, type Change, ObjectCache } from '../../../kube/cache.ts';
import type { KubeClient } from '../../../kube/client.ts';
import { until } from '../../../lab/until.ts';
import { silentLogger } from '../../../process/log.ts';
import { expiredFrame, type Fault, type FaultProxy, status } from './fault-proxy.ts';
import { useTestPlane } from './plane.ts';

const log = silentLogger();
const backoff = { minMs: 10, maxMs: 200 };

/** The number that a test writes into an object. */
function numberOf(object: KubeObject): number {
  return Number((object.data as Record<string, string> | undefined)?.n);
}

describe('ObjectCache on a real API server', () => {
  const plane = useTestPlane();
  let namespace: string;
  let proxy: FaultProxy;
  let stop: AbortController;
  let running: Promise<void>[];

  beforeEach(async () => {
    stop = new AbortController();
    running = [];
    namespace = await plane().namespace();
    proxy = await plane().proxy();
  });
  afterEach(async () => {
    stop.abort();
    await Promise.all(running);
    await plane().closeAll();
  });

  async function start(options: Partial<CacheOptions<number>> = {}, client?: KubeClient) {
    const cache = new ObjectCache<number>({
      client: client ?? (await plane().client(proxy)),
      resource: configMaps,
      namespace,
      project: numberOf,
      log,
      backoff,
      ...options,
    });
    const changes: Change<number>[] = [];
    cache.subscribe(change => changes.push(change));
    running.push(cache.run(stop.signal));
    return { cache, changes };
  }

  function put(name: string, n: number, labels: Record<string, string> = {}): Promise<KubeObject> {
    const object = { metadata: { namespace, name, labels }, data: { n: String(n) } };
    return plane().admin.apply(configMaps, object, { fieldManager: 'test' });
  }

  function drop(name: string): Promise<boolean> {
    return plane().admin.delete(configMaps, { namespace, name });
  }

  function eventually(what: string, holds: () => boolean, detail = () => ''): Promise<true> {
    return until(holds, { what, timeout: 60_000, interval: 5, detail });
  }

  it('lists, then follows, and tells each change once', async () => {
    await put('a', 1);
    const { cache, changes } = await start();
    await cache.synced();
    expect(changes).to.deep.equal([{ key: `${namespace}/a`, after: 1 }]);
    await put('a', 2);
    await put('b', 1);
    await drop('a');
    await eventually('four changes', () => changes.length === 4);
    expect(changes.slice(1)).to.deep.equal([
      { key: `${namespace}/a`, before: 1, after: 2 },
      { key: `${namespace}/b`, after: 1 },
      { key: `${namespace}/a`, before: 2 },
    ]);
    expect([...cache.keys()]).to.deep.equal([`${namespace}/b`]);
    expect(performance.now() - cache.lastContact).to.be.below(60_000);
  });

  it('shows an object that leaves its selector as gone', async () => {
    await put('a', 1, { wanted: 'yes' });
    await put('b', 2, { wanted: 'no' });
    const { cache } = await start({ labelSelector: 'wanted=yes' });
    await cache.synced();
    expect([...cache.values()]).to.deep.equal([1]);
    await put('a', 1, { wanted: 'no' });
    await eventually('the end of a', () => cache.size === 0);
  });

  it('reads pages of a list of one moment', async () => {
    for (let n = 0; n < 120; n++) await put(`m-${n}`, n);
    const pages: number[] = [];
    for await (const page of plane().admin.listPages(configMaps, { namespace, limit: 50 })) {
      pages.push(page.items.length);
      // Made after the moment of the first page: not on the later ones.
      await put(`zz-${pages.length}`, 0);
    }
    expect(pages).to.deep.equal([50, 50, 20]);
  });

  it('resumes after a reset inside of a frame, without a list', async () => {
    proxy.decide = ({ watch }) => (watch ? { after: { bytes: 700, action: 'reset' } } : undefined);
    const { cache, changes } = await start();
    await cache.synced();
    let lists = 0;
    const broken = proxy.decide;
    proxy.decide = request => {
      if (!request.watch && request.method === 'GET') lists++;
      return broken(request);
    };
    for (let n = 0; n < 8; n++) await put('a', n);
    await eventually('the last value', () => cache.get(`${namespace}/a`) === 7);
    expect(changes.map(change => change.after)).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(lists).to.equal(0);
  });

  it('drops what is left of a frame when a watch ends inside of it', async () => {
    proxy.decide = ({ watch }) => (watch ? { pieces: 7, after: { bytes: 500, action: 'end' } } : undefined);
    const { cache, changes } = await start();
    await cache.synced();
    proxy.decide = ({ watch }) => (watch ? { pieces: 1 } : undefined);
    await put('a', 1);
    await put('a', 2);
    await eventually('the last value', () => cache.get(`${namespace}/a`) === 2);
    expect(changes.map(change => change.after)).to.deep.equal([1, 2]);
  });

  for (const [what, fault] of [
    ['an answer', { answer: { status: 410, body: status(410, 'Expired') } }],
    ['an error frame', { after: { bytes: 0, action: { inject: expiredFrame } } }],
  ] as const satisfies readonly (readonly [string, Fault])[]) {
    it(`lists again after 410 as ${what}, and tells of what went meanwhile`, async () => {
      await put('gone', 1);
      await put('changed', 1);
      await put('kept', 1);
      const metrics = new Registry();
      const { cache, changes } = await start({ metrics });
      await cache.synced();
      changes.length = 0;
      await eventually('a watch', () => proxy.watches === 1);
      proxy.partition();
      await drop('gone');
      await put('changed', 2);
      await put('new', 1);
      // The version that is forgotten stays forgotten.
      let forgotten: string | undefined;
      proxy.decide = ({ watch, path }) => {
        if (!watch) return undefined;
        const version = /resourceVersion=(\d+)/.exec(path)?.[1];
        forgotten ??= version;
        return version === forgotten ? fault : undefined;
      };
      proxy.resetAll();
      proxy.heal();
      await eventually('the new object', () => cache.get(`${namespace}/new`) === 1);
      await eventually('the end of the old one', () => cache.get(`${namespace}/gone`) === undefined);
      expect(changes).to.have.deep.members([
        { key: `${namespace}/changed`, before: 1, after: 2 },
        { key: `${namespace}/new`, after: 1 },
        { key: `${namespace}/gone`, before: 1 },
      ]);
      const text = await metrics.metrics();
      expect(text).to.contain('nauti_kube_watch_restarts_total{cache="configmaps",reason="expired"} 1');
      expect(text).to.contain('nauti_kube_cache_objects{cache="configmaps"} 3');
    });
  }

  it('gets its list although it expires between two pages', async () => {
    for (let n = 0; n < 120; n++) await put(`m-${n}`, n);
    let refused = 0;
    proxy.decide = ({ path }) => {
      if (!path.includes('continue=')) return undefined;
      refused++;
      return { answer: { status: 410, body: status(410, 'Expired') } };
    };
    const { cache } = await start();
    await cache.synced();
    expect(cache.size).to.equal(120);
    expect(refused).to.equal(2);
  });

  it('begins a silent watch again', async () => {
    const { cache } = await start({ stallMs: 150 });
    await cache.synced();
    proxy.decide = ({ watch }) => (watch ? { after: { bytes: 10, action: 'stall' } } : undefined);
    proxy.resetAll();
    await put('a', 1);
    await put('b', 1);
    const before = proxy.requests;
    await eventually('more watches', () => proxy.requests > before + 3);
    proxy.decide = () => undefined;
    await eventually('both objects', () => cache.size === 2);
  });

  it('leaves a watch alone that speaks now and then', async () => {
    const { cache } = await start({ stallMs: 1_500 });
    await cache.synced();
    await eventually('a watch', () => proxy.watches === 1);
    const before = proxy.requests;
    const end = performance.now() + 3_000;
    for (let n = 0; performance.now() < end; n++) await put('a', n);
    expect(proxy.requests).to.equal(before);
  });

  it('lists again where watches stay silent, as after a restored etcd', async () => {
    // The server has not reached that version yet: it accepts the watch, and leaves out what is older.
    proxy.decide = ({ watch, path }) =>
      watch ? { path: path.replace(/resourceVersion=\d+/, 'resourceVersion=999999999') } : undefined;
    const { cache } = await start({ stallMs: 60 });
    await cache.synced();
    await put('a', 1);
    await eventually('the object', () => cache.get(`${namespace}/a`) === 1);
  });

  it('goes around a frame that it can never read, by a list', async () => {
    const { cache } = await start();
    await cache.synced();
    await eventually('a watch', () => proxy.watches === 1);
    const garbage = Buffer.from('garbage\n');
    // Each watch from that version on begins with the same bytes.
    proxy.decide = ({ watch }) => (watch ? { after: { bytes: 0, action: { inject: garbage } } } : undefined);
    proxy.resetAll();
    await put('a', 1);
    await eventually('the object', () => cache.get(`${namespace}/a`) === 1);
  });

  it('waits as long as Retry-After says', async () => {
    const asked: number[] = [];
    proxy.decide = () => {
      asked.push(performance.now());
      if (asked.length > 1) return undefined;
      return {
        answer: { status: 429, headers: { 'retry-after': '1' }, body: status(429, 'TooManyRequests') },
      };
    };
    const { cache } = await start();
    await cache.synced();
    expect((asked[1] ?? 0) - (asked[0] ?? 0)).to.be.within(950, 30_000);
  });

  it('keeps its view through 500, 401 and refused connections', async () => {
    await put('a', 1);
    const { cache, changes } = await start();
    await cache.synced();
    const answers = [500, 401, 503].map(code => ({ answer: { status: code, body: status(code, 'No') } }));
    let asked = 0;
    proxy.decide = () => answers[asked++ % answers.length];
    proxy.resetAll();
    await eventually('ten refusals', () => asked > 10);
    expect(cache.get(`${namespace}/a`)).to.equal(1);
    expect(changes).to.have.length(1);
    await put('a', 2);
    proxy.decide = () => undefined;
    await eventually('the change', () => cache.get(`${namespace}/a`) === 2);
  });

  const hostile: readonly (readonly [string, Buffer])[] = [
    ['what is no JSON', Buffer.from('<html>\n')],
    ['another kind of JSON', Buffer.from('[[[]]]\n"x"\nnull\n')],
    ['a frame without an object', Buffer.from('{"type":"ADDED"}\n')],
    ['an object without a version', Buffer.from('{"type":"ADDED","object":{"metadata":{"name":"x"}}}\n')],
    ['an unknown type', Buffer.from('{"type":"EVIL","object":{"metadata":{"resourceVersion":"9"}}}\n')],
    ['bytes that are no UTF-8', Buffer.from([0xff, 0xfe, 0x00, 0x0a, 0xc3, 0x28, 0x0a])],
    ['deep nesting', Buffer.from(`${'['.repeat(200_000)}\n`)],
    ['a line without end', Buffer.alloc(40 * 1024 * 1024, 0x61)],
  ];
  for (const [what, bytes] of hostile) {
    it(`goes on after ${what}`, async () => {
      await put('a', 1);
      const { cache, changes } = await start();
      await cache.synced();
      let injected = 0;
      proxy.decide = ({ watch }) =>
        watch && injected++ < 3 ? { after: { bytes: 0, action: { inject: bytes } } } : undefined;
      proxy.resetAll();
      await put('a', 2);
      let n = 0;
      // The proxy injects before the first byte that comes: each change gives one.
      const injectedThrice = async () => {
        await put('b', ++n);
        return injected > 3;
      };
      await until(injectedThrice, { what: 'a watch after three that were hostile', timeout: 60_000 });
      await eventually('the last value', () => cache.get(`${namespace}/b`) === n);
      expect(cache.get(`${namespace}/a`)).to.equal(2);
      expect(new Set(changes.map(change => change.key)).size).to.equal(2);
    });
  }

  it('keeps the former value of an object that it cannot read, and the rest goes on', async () => {
    await put('a', 1);
    await put('b', 1);
    const unreadable: string[] = [];
    const { cache, changes } = await start({
      project(object) {
        const n = numberOf(object);
        if (n === 13) throw new Error('unlucky');
        return n;
      },
      onUnreadable(object) {
        unreadable.push(object.metadata.name ?? '');
        throw new Error('a bad report must not matter either');
      },
    });
    cache.subscribe(() => {
      throw new Error('a bad subscriber must not matter');
    });
    await cache.synced();
    await put('a', 13);
    await put('new', 13);
    await put('b', 2);
    await eventually('the change of b', () => cache.get(`${namespace}/b`) === 2);
    expect(unreadable).to.deep.equal(['a', 'new']);
    expect(cache.get(`${namespace}/a`)).to.equal(1);
    expect(cache.get(`${namespace}/new`)).to.equal(undefined);
    // Nor does a list, which sees it unreadable too, take it away.
    let served = 0;
    proxy.decide = ({ watch }) =>
      watch && served++ === 0 ? { answer: { status: 410, body: status(410, 'Expired') } } : undefined;
    proxy.resetAll();
    await eventually('a watch after the list', () => served > 1);
    expect(cache.get(`${namespace}/a`)).to.equal(1);
    await drop('a');
    await eventually('the end of a', () => cache.size === 1);
    expect(changes.at(-1)).to.deep.equal({ key: `${namespace}/a`, before: 1 });
  });

  it('waits for a server that is away, and says so to whoever waits', async () => {
    await plane().controlPlane.killApiServer();
    const client = await plane().client();
    const { cache } = await start({}, client);
    const impatient = AbortSignal.timeout(300);
    const error = await cache.synced(impatient).catch((reason: unknown) => reason);
    expect(error).to.equal(impatient.reason);
    expect(cache.hasSynced).to.equal(false);
    await plane().controlPlane.startApiServer();
    await cache.synced(AbortSignal.timeout(60_000));
    expect(cache.hasSynced).to.equal(true);
  }).timeout(180_000);

  it('leaves no connection, and rejects who waits, when it is stopped before it synced', async () => {
    proxy.partition();
    const { cache } = await start();
    const waiting = cache.synced().catch((reason: unknown) => reason);
    await eventually('a connection', () => proxy.connections === 1);
    stop.abort(new Error('enough'));
    await Promise.all(running);
    expect(await waiting).to.equal(stop.signal.reason);
    await eventually('the end of the connection', () => proxy.connections === 0);
  });
});
