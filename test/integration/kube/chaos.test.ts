import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { Registry } from 'prom-client';
import type { KubeObject } from '../../../api/meta.ts';
import { configMaps } from '../../../api/resource.ts';
import { ObjectCache } from '../../../kube/cache.ts';
import { Controller } from '../../../kube/controller.ts';
import { until } from '../../../lab/until.ts';
import { silentLogger } from '../../../process/log.ts';
import { expiredFrame, type Fault, type ProxiedRequest, status } from './fault-proxy.ts';
import { useTestPlane } from './plane.ts';
import { Random } from './random.ts';

const changes = 2_000;
const names = 120;
const onceWritten = 1_000;
const writers = 6;
/** Reasons that a watch must have ended for, each at least once. */
const breaks = ['ended', 'broken', 'expired', 'stalled', 'malformed', 'refused'];
const log = silentLogger();

/** Each kind of fault that there is, in random order; undefined is none. */
function faults(random: Random, { watch }: ProxiedRequest): (Fault | undefined)[] {
  const bytes = () => random.below(random.pick([1, 600, 6_000]));
  const pieces = () => random.pick(watch ? [1, 13, 300, 5_000] : [500, 5_000]);
  const refusal = (code: number, headers: Record<string, string> = {}) => {
    const body = random.pick([status(code, 'No'), 'no json', '']);
    return { answer: { status: code, body, headers } };
  };
  const all: (Fault | undefined)[] = [
    undefined,
    refusal(500),
    refusal(401),
    refusal(410),
    refusal(429, { 'retry-after': '0' }),
    { pieces: pieces(), dropBookmarks: true },
    { pieces: pieces(), after: { bytes: bytes(), action: 'reset' } },
    { after: { bytes: bytes(), action: 'stall' } },
  ];
  if (watch) {
    // JSON takes no NUL: without it, a frame that was cut inside of a text would be completed to a forged one.
    const garbage = Buffer.from('\0"}}}\n{"type":"DELETED"\n\0');
    all.push({ pieces: pieces(), after: { bytes: bytes(), action: 'end' } });
    all.push({ after: { bytes: 0, action: { inject: expiredFrame } } });
    all.push({ pieces: pieces(), after: { bytes: bytes(), action: { inject: garbage } } });
  }
  return all
    .map(fault => ({ fault, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ fault }) => fault);
}

/** Gives each kind its turn, for watches and for lists. */
function faultsInTurn(random: Random): (request: ProxiedRequest) => Fault | undefined {
  const waiting = { watch: [] as (Fault | undefined)[], list: [] as (Fault | undefined)[] };
  return request => {
    const kind = request.watch ? 'watch' : 'list';
    if (waiting[kind].length === 0) waiting[kind] = faults(random, request);
    return waiting[kind].pop();
  };
}

describe('cache and controller under random faults', () => {
  const plane = useTestPlane();
  let stop: AbortController;
  let running: Promise<void>[];

  beforeEach(() => {
    stop = new AbortController();
    running = [];
  });
  afterEach(async () => {
    stop.abort();
    await Promise.all(running);
    await plane().closeAll();
  });

  it(`converge to the truth after ${changes} changes and every kind of break`, async function () {
    this.timeout(180_000);
    const seed = Date.now() % 2 ** 32;
    const random = new Random(seed);
    const namespace = await plane().namespace();
    const proxy = await plane().proxy();
    proxy.decide = faultsInTurn(random);
    const client = await plane().client(proxy);

    const metrics = new Registry();
    const cache = new ObjectCache({
      client,
      metrics,
      resource: configMaps,
      namespace,
      project: content,
      indexes: { parity: value => [String(value.n % 2)] },
      stallMs: 300,
      backoff: { minMs: 5, maxMs: 100 },
      log,
    });
    // What a subscriber knows from the changes alone; each must fit to the one before.
    const told = new Map<string, ReturnType<typeof content>>();
    const misfits: unknown[] = [];
    const active = new Set<string>();
    const reconciled = new Map<string, ReturnType<typeof content>>();
    let overlaps = 0;
    const controller = new Controller({
      name: 'chaos',
      concurrency: 8,
      log,
      backoff: { minMs: 1, maxMs: 20 },
      async reconcile(key) {
        if (active.has(key)) overlaps++;
        active.add(key);
        const seen = cache.get(key);
        if (random.next() < 0.2) controller.enqueue(key);
        await sleep(random.below(3));
        active.delete(key);
        if (random.next() < 0.2) throw new Error('a failure of the handler');
        if (seen === undefined) reconciled.delete(key);
        else reconciled.set(key, seen);
        return random.next() < 0.1 ? { requeueAfter: 1 + random.below(20) } : undefined;
      },
    });
    cache.subscribe(({ key, before, after }) => {
      if (told.get(key) !== before || (before === undefined && after === undefined))
        misfits.push({ key, before, after });
      if (before !== undefined && after !== undefined && after.uid === before.uid && after.n <= before.n) {
        misfits.push({ key, before, after });
      }
      if (after === undefined) told.delete(key);
      else told.set(key, after);
      controller.enqueue(key);
    });
    running.push(cache.run(stop.signal), controller.run(stop.signal));
    const heapBefore = process.memoryUsage().heapUsed;
    const broken = async () => {
      const text = await metrics.metrics();
      return breaks.every(reason =>
        text.includes(`watch_restarts_total{cache="configmaps",reason="${reason}"}`),
      );
    };
    // A watch that got no fault would last, and nothing more would break; a stalled list has 30 s.
    let tick = 0;
    const resets = setInterval(() => {
      if (proxy.watches > 0 || ++tick % 4 === 0) proxy.resetAll();
    }, 700);
    await writeRandomly(namespace, random, broken).finally(() => clearInterval(resets));

    proxy.decide = () => undefined;
    proxy.resetAll();
    const truth = await listTruth(namespace);
    const asRecord = (map: Iterable<[string, unknown]>) => Object.fromEntries(map);
    const held = () => asRecord([...cache.keys()].map(key => [key, cache.get(key)]));
    await until(() => equal(held(), truth), {
      what: `the cache being what the API server has (seed ${seed})`,
      timeout: 60_000,
      detail: () => firstDifference(held(), truth),
    });
    await until(() => equal(asRecord(reconciled), truth), {
      what: `the controller having seen all (seed ${seed})`,
      timeout: 60_000,
      detail: () => firstDifference(asRecord(reconciled), truth),
    });
    expect(asRecord(told)).to.deep.equal(truth);
    expect(misfits, JSON.stringify(misfits)).to.deep.equal([]);
    expect(overlaps).to.equal(0);
    const odd = Object.values(truth).filter(value => value.n % 2 === 1);
    expect(cache.byIndex('parity', '1')).to.have.deep.members(odd);
    expect(process.memoryUsage().heapUsed - heapBefore).to.be.below(100e6);

    stop.abort();
    await Promise.all(running);
    client.close();
    await until(() => proxy.connections === 0, { what: 'the end of all connections', timeout: 60_000 });
  });

  it('loses no event of watches that break, without a list', async function () {
    this.timeout(180_000);
    const random = new Random(Date.now());
    const namespace = await plane().namespace();
    const proxy = await plane().proxy();
    let lists = 0;
    let watches = 0;
    proxy.decide = ({ watch }) => {
      if (!watch) {
        lists++;
        return undefined;
      }
      const pieces = random.pick([7, 100, 3_000]);
      const action = ++watches % 20 === 0 ? 'stall' : random.pick(['reset', 'end'] as const);
      return { pieces, after: { bytes: 1 + random.below(10_000), action } };
    };
    const client = await plane().client(proxy);
    const backoff = { minMs: 2, maxMs: 10 };
    const options = { client, resource: configMaps, namespace, log, backoff, stallMs: 800 };
    const cache = new ObjectCache({ ...options, project: object => object.metadata.name ?? '' });
    const told: string[] = [];
    cache.subscribe(({ key, after }) => told.push(after ?? `the end of ${key}`));
    running.push(cache.run(stop.signal));
    await cache.synced();
    // Each object is written once: an event that is lost stays lost.
    const expected: string[] = [];
    const write = async () => {
      while ((expected.length < onceWritten || watches < 30) && !stop.signal.aborted) {
        const name = `object-${expected.length}`;
        expected.push(name);
        await plane().admin.create(configMaps, { metadata: { namespace, name } });
      }
    };
    await Promise.all(Array.from({ length: writers }, write));
    await until(() => cache.size >= expected.length, {
      what: 'the cache having all objects',
      timeout: 60_000,
      detail: () => `it has ${cache.size}`,
    });
    expect([...told].sort()).to.deep.equal([...expected].sort());
    expect(lists).to.equal(1);
  });

  async function writeRandomly(
    namespace: string,
    random: Random,
    enough: () => Promise<boolean>,
  ): Promise<void> {
    let next = 0;
    const write = async (writer: number) => {
      while (!stop.signal.aborted && (next < changes || (next < 10 * changes && !(await enough())))) {
        const n = ++next;
        // A name belongs to one writer, so that n grows over the life of each object.
        const name = `object-${writer + writers * random.below(names / writers)}`;
        if (random.next() < 0.25) await plane().admin.delete(configMaps, { namespace, name });
        else {
          const object = {
            metadata: { namespace, name },
            data: { n: String(n), text: 'é\n"'.repeat(random.below(60)) },
          };
          await plane().admin.apply(configMaps, object, { fieldManager: 'chaos' });
        }
      }
    };
    await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  }

  async function listTruth(namespace: string): Promise<Record<string, ReturnType<typeof content>>> {
    const truth: Record<string, ReturnType<typeof content>> = {};
    for await (const { items } of plane().admin.listPages(configMaps, { namespace })) {
      for (const item of items) truth[`${namespace}/${item.metadata.name}`] = content(item);
    }
    return truth;
  }
});

function content(object: KubeObject) {
  const data = object.data as Record<string, string>;
  return { uid: object.metadata.uid, n: Number(data.n), text: data.text ?? '' };
}

function equal(one: unknown, other: unknown): boolean {
  return firstDifference(one as Record<string, unknown>, other as Record<string, unknown>) === '';
}

function firstDifference(one: Record<string, unknown>, other: Record<string, unknown>): string {
  for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const [left, right] = [JSON.stringify(one[key]), JSON.stringify(other[key])];
    if (left !== right) return `${key} is ${left} instead of ${right}`;
  }
  return '';
}
