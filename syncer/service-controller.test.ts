import { expect } from 'chai';
import { silentLogger } from '../process/log.ts';
import { ServiceController } from './service-controller.ts';

/** A controller whose visits end when the test says so. */
class Bench {
  readonly begun: string[] = [];
  readonly #open = new Map<string, { resolve: () => void; reject: (error: Error) => void }>();
  readonly #waiting: (() => void)[] = [];
  readonly controller: ServiceController;

  constructor(concurrency: number) {
    this.controller = new ServiceController({
      name: 'test',
      concurrency,
      log: silentLogger(),
      reconcile: async service => {
        this.begun.push(service);
        for (const wake of this.#waiting.splice(0)) wake();
        await new Promise<void>((resolve, reject) => this.#open.set(service, { resolve, reject }));
      },
    });
  }

  async untilBegun(count: number): Promise<string[]> {
    while (this.begun.length < count) await new Promise<void>(resolve => this.#waiting.push(resolve));
    return this.begun;
  }

  end(service: string, error?: Error): void {
    const open = this.#open.get(service);
    this.#open.delete(service);
    if (error === undefined) open?.resolve();
    else open?.reject(error);
  }
}

describe('controller of services', () => {
  let bench: Bench;
  let stop: AbortController;
  let running: Promise<void>;

  function run(concurrency: number): void {
    bench = new Bench(concurrency);
    stop = new AbortController();
    running = bench.controller.run(stop.signal);
  }

  afterEach(async () => {
    stop.abort();
    for (const service of bench.begun) bench.end(service);
    await running;
  });

  it('works on what has changed before the rest of the backlog', async () => {
    run(1);
    bench.controller.visit(['a', 'b', 'c', 'd']);
    await bench.untilBegun(1);
    bench.controller.enqueue('fresh');
    bench.end('a');
    expect(await bench.untilBegun(2)).to.deep.equal(['a', 'fresh']);
    bench.end('fresh');
    await bench.untilBegun(3);
    bench.end('b');
    await bench.untilBegun(4);
    bench.end('c');
    expect(await bench.untilBegun(5)).to.deep.equal(['a', 'fresh', 'b', 'c', 'd']);
  });

  it('visits once what is in the backlog and has changed too', async () => {
    run(1);
    bench.controller.visit(['a', 'b', 'c']);
    await bench.untilBegun(1);
    bench.controller.enqueue('b');
    bench.end('a');
    await bench.untilBegun(2);
    bench.end('b');
    expect(await bench.untilBegun(3)).to.deep.equal(['a', 'b', 'c']);
    bench.end('c');
    expect(bench.controller.depth).to.equal(0);
  });

  it('works on as many at once as it may', async () => {
    run(3);
    bench.controller.visit(['a', 'b', 'c', 'd']);
    expect(await bench.untilBegun(3)).to.deep.equal(['a', 'b', 'c']);
    expect(bench.controller.depth).to.equal(1);
    bench.end('b');
    expect(await bench.untilBegun(4)).to.deep.equal(['a', 'b', 'c', 'd']);
  });

  it('goes on with the backlog after a failure, and tries that again', async () => {
    run(1);
    bench.controller.visit(['a', 'b']);
    await bench.untilBegun(1);
    bench.end('a', new Error('the API server is away'));
    expect(await bench.untilBegun(2)).to.deep.equal(['a', 'b']);
    bench.end('b');
    expect(await bench.untilBegun(3)).to.deep.equal(['a', 'b', 'a']);
  });

  it('keeps what comes while nobody runs it', async () => {
    run(1);
    stop.abort();
    await running;
    bench.controller.visit(['a', 'b']);
    bench.controller.enqueue('c');
    stop = new AbortController();
    running = bench.controller.run(stop.signal);
    await bench.untilBegun(1);
    for (const service of ['a', 'c', 'b']) {
      bench.end(service);
      if (service !== 'b') await bench.untilBegun(bench.begun.length + 1);
    }
    expect([...bench.begun].sort()).to.deep.equal(['a', 'b', 'c']);
  });
});
