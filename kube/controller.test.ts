import { expect } from 'chai';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { silentLogger } from '../process/log.ts';
import { Controller, type ControllerOptions, TerminalError } from './controller.ts';
import { KubeError } from './error.ts';

describe('Controller', () => {
  let stop: AbortController;
  beforeEach(() => {
    stop = new AbortController();
  });

  function make(
    reconcile: ControllerOptions['reconcile'],
    more: Partial<ControllerOptions> = {},
  ): Controller {
    const backoff = { minMs: 5, maxMs: 20 };
    return new Controller({ name: 'test', reconcile, log: silentLogger(), backoff, ...more });
  }

  it('forgets a key that is done', async () => {
    const keys: string[] = [];
    const controller = make(async key => {
      keys.push(key);
      if (keys.length === 2) stop.abort();
    });
    controller.enqueue('a');
    controller.enqueue('b');
    await controller.run(stop.signal);
    expect(keys).to.deep.equal(['a', 'b']);
    expect(controller.depth).to.equal(0);
  });

  it('tries again what throws, also synchronously, until it succeeds', async () => {
    const failures = [new Error('one'), new Error('two')];
    let tries = 0;
    const controller = make(() => {
      const failure = failures[tries++];
      if (failure !== undefined) throw failure;
      stop.abort();
      return Promise.resolve();
    });
    controller.enqueue('a');
    await controller.run(stop.signal);
    expect(tries).to.equal(3);
  });

  it('waits as long as the API server asks', async () => {
    const at: number[] = [];
    const controller = make(async () => {
      at.push(performance.now());
      if (at.length > 1) return stop.abort();
      throw new KubeError('busy', { status: 429, reason: 'TooManyRequests', retryAfterMs: 100 });
    });
    controller.enqueue('a');
    await controller.run(stop.signal);
    expect((at[1] ?? 0) - (at[0] ?? 0)).to.be.at.least(98);
  });

  it('comes back after requeueAfter', async () => {
    const at: number[] = [];
    const controller = make(async () => {
      at.push(performance.now());
      if (at.length > 1) stop.abort();
      return { requeueAfter: 40 };
    });
    controller.enqueue('a');
    await controller.run(stop.signal);
    expect((at[1] ?? 0) - (at[0] ?? 0)).to.be.at.least(38);
  });

  it('takes a requeueAfter of 0 for a failure', async () => {
    let tries = 0;
    const metrics = new Registry();
    const controller = make(
      async () => {
        if (++tries === 2) stop.abort();
        return { requeueAfter: tries === 1 ? 0 : 10 };
      },
      { metrics },
    );
    controller.enqueue('a');
    await controller.run(stop.signal);
    expect(await metrics.metrics()).to.contain('_count{controller="test",outcome="error"} 1');
  });

  it('logs a terminal error once and leaves the key alone', async () => {
    const lines: string[] = [];
    const log = pino({ level: 'debug' }, { write: line => lines.push(line) });
    const tried: string[] = [];
    const controller = make(
      async key => {
        tried.push(key);
        if (key === 'last') stop.abort();
        if (key === 'a') throw new TerminalError('it will never do');
      },
      { log },
    );
    controller.enqueue('a');
    controller.enqueueAfter('last', 60);
    await controller.run(stop.signal);
    expect(tried).to.deep.equal(['a', 'last']);
    expect(lines.filter(line => line.includes('it will never do'))).to.have.length(1);
  });

  it('never works on a key twice at once, and on others as often as it may', async () => {
    const active = new Map<string, number>();
    let most = 0;
    let total = 0;
    let overlaps = 0;
    const controller = make(
      async key => {
        active.set(key, (active.get(key) ?? 0) + 1);
        if (active.get(key) !== 1) overlaps++;
        most = Math.max(
          most,
          [...active.values()].reduce((sum, n) => sum + n, 0),
        );
        // The other keys end: there are workers that could take it.
        if (key === 'a') controller.enqueue(key);
        await new Promise(resolve => setImmediate(resolve));
        active.set(key, (active.get(key) ?? 0) - 1);
        if (++total === 100) stop.abort();
      },
      { concurrency: 3 },
    );
    for (const key of ['a', 'b', 'c', 'd', 'e']) controller.enqueue(key);
    await controller.run(stop.signal);
    expect([most, overlaps]).to.deep.equal([3, 0]);
  });

  it('waits for what is under way when it is stopped, and keeps what was interrupted', async () => {
    let runs = 0;
    const controller = make(async (_key, signal) => {
      runs++;
      if (runs > 1) return stop.abort();
      setImmediate(() => stop.abort(new Error('stop')));
      await new Promise(resolve => signal.addEventListener('abort', resolve));
      throw signal.reason;
    });
    controller.enqueue('a');
    controller.enqueueAfter('b', 60_000);
    await controller.run(stop.signal);
    expect(runs).to.equal(1);
    expect(controller.depth).to.equal(2);
    stop = new AbortController();
    await controller.run(stop.signal);
    expect(runs).to.equal(2);
  });

  it('lets timers run between reconciles that never wait', async () => {
    let ticks = 0;
    const ticker = setInterval(() => ticks++, 1);
    let keys = 0;
    const controller = make(async () => {
      const until = performance.now() + 0.5;
      while (performance.now() < until);
      if (++keys === 400) stop.abort();
    });
    for (let n = 0; n < 400; n++) controller.enqueue(`key-${n}`);
    await controller.run(stop.signal);
    clearInterval(ticker);
    expect(ticks).to.be.above(5);
  });

  it('refuses to run twice at once', async () => {
    const controller = make(async () => undefined);
    const running = controller.run(stop.signal);
    const error = await controller.run(stop.signal).catch((reason: unknown) => reason);
    expect(String(error)).to.contain('must not run already');
    stop.abort();
    await running;
  });
});
