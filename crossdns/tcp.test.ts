import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { silentLogger } from '../process/log.ts';
import { type Answer, makeQuery, readAnswer } from './dnsclient.ts';
import { Served, sliceOf } from './served.fixture.ts';
import { defaultTcpLimits, listenTcp, type TcpLimits } from './tcp.ts';

const name = 'web.demo.svc.hyperos.local';
const many = Array.from({ length: 2_000 }, (_, i) => `10.9.${i >> 8}.${i & 255}`);
const served = new Served([
  sliceOf('demo/web', 'c1', ['10.1.0.1']),
  sliceOf('demo/many', 'c1', many, { ports: ['http/tcp:80'] }),
]);

/** The message with its length in front. */
function framed(message: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(message.length >> 8, message.length & 255), message]);
}

class Client {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  #received = Buffer.alloc(0);
  #wake = () => {};

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.on('error', () => {});
    // Not once(): that rejects on a reset, which is a way to be closed.
    this.closed = new Promise(resolve => this.socket.on('close', resolve));
    this.socket.on('end', () => this.socket.end());
  }

  /** Listens from the first call on: a client that was never asked for answers does not read. */
  #more(): Promise<void> {
    if (this.socket.listenerCount('data') === 0) {
      this.socket.on('data', chunk => {
        this.#received = Buffer.concat([this.#received, chunk]);
        this.#wake();
      });
    }
    return new Promise(resolve => {
      this.#wake = resolve;
    });
  }

  /** Reads until there are `count` answers. */
  async answers(count: number): Promise<Answer[]> {
    const answers: Answer[] = [];
    while (answers.length < count) {
      const size = this.#received.length < 2 ? Infinity : 2 + this.#received.readUInt16BE(0);
      if (this.#received.length < size) {
        await this.#more();
        continue;
      }
      answers.push(readAnswer(this.#received.subarray(2, size)));
      this.#received = this.#received.subarray(size);
    }
    return answers;
  }
}

describe('TCP (RFC 7766)', () => {
  const clients: Client[] = [];
  const listeners: { close(): Promise<void> }[] = [];

  async function start(limits: Partial<TcpLimits> = {}) {
    const { responder } = served;
    const listener = await listenTcp(
      { host: '127.0.0.1', port: 0 },
      { responder, limits: { ...defaultTcpLimits, ...limits }, log: silentLogger() },
    );
    listeners.push(listener);
    const client = () => {
      const client = new Client(listener.address.port);
      clients.push(client);
      return client;
    };
    return { listener, client };
  }

  afterEach(async () => {
    for (const client of clients.splice(0)) client.socket.destroy();
    await Promise.all(listeners.splice(0).map(listener => listener.close()));
  });

  it('answers one query after the other', async () => {
    const { client } = await start();
    const one = client();
    for (const id of [1, 2, 3]) {
      one.socket.write(framed(makeQuery(name, 'A', { id })));
      const [answer] = await one.answers(1);
      expect(answer).to.deep.include({ id, rcode: 'NOERROR' });
    }
  });

  it('answers queries that come without waiting (section 6.2.1.1)', async () => {
    const { client } = await start();
    const one = client();
    const ids = Array.from({ length: 2_000 }, (_, i) => i);
    one.socket.write(Buffer.concat(ids.map(id => framed(makeQuery(name, 'A', { id })))));
    expect((await one.answers(ids.length)).map(({ id }) => id)).to.eql(ids);
  });

  it('puts messages together from single octets', async () => {
    const { client } = await start();
    const one = client();
    one.socket.setNoDelay(true);
    for (const octet of framed(makeQuery(name, 'A', { id: 5 }))) {
      one.socket.write(Buffer.of(octet));
      await new Promise(setImmediate);
    }
    expect((await one.answers(1))[0]).to.deep.include({ id: 5, rcode: 'NOERROR' });
  });

  it('gives whole answers of any size', async () => {
    const { client } = await start();
    const one = client();
    one.socket.write(framed(makeQuery('many.demo.svc.hyperos.local', 'A')));
    one.socket.write(framed(makeQuery('_http._tcp.many.demo.svc.hyperos.local', 'SRV')));
    const [addresses, services] = await one.answers(2);
    expect(addresses?.answers).to.have.length(2_000);
    expect(addresses?.flags).not.to.include('tc');
    // More than 65,535 octets: as many as go, and TC says that there are more.
    expect(services?.answers.length).to.be.within(900, 1_999);
    expect(services?.flags).to.include('tc');
  });

  it('answers FORMERR to what is malformed, nothing to answers, and goes on', async () => {
    const { client } = await start();
    const one = client();
    one.socket.write(framed(Buffer.alloc(0)));
    one.socket.write(framed(makeQuery(name, 'A', { flags: 0x8000 })));
    one.socket.write(framed(makeQuery(name, 'A', { id: 3 }).subarray(0, 30)));
    one.socket.write(framed(makeQuery(name, 'A', { id: 4 })));
    expect((await one.answers(2)).map(({ id, rcode }) => `${id} ${rcode}`)).to.eql([
      '3 FORMERR',
      '4 NOERROR',
    ]);
  });

  it('answers a client that sends no more, then ends', async () => {
    const { client } = await start();
    const one = client();
    one.socket.end(framed(makeQuery(name, 'A', { id: 8 })));
    expect((await one.answers(1))[0]?.id).to.equal(8);
    await one.closed;
  });

  it('ends connections that are idle', async () => {
    const { client } = await start({ idleMs: 50 });
    const one = client();
    one.socket.write(framed(makeQuery(name, 'A')));
    await one.answers(1);
    await one.closed;
  });

  it('ends connections whose message does not come whole, however slowly they send', async () => {
    const { client } = await start({ frameMs: 300, idleMs: 60_000 });
    const one = client();
    one.socket.write(Buffer.of(0xff, 0xff));
    const drip = setInterval(() => one.socket.write(Buffer.of(0)), 20);
    await one.closed;
    clearInterval(drip);
  });

  it('refuses connections over the limit of a client', async () => {
    const { client } = await start({ maxPerClient: 2 });
    const kept = [client(), client()];
    for (const one of kept) {
      one.socket.write(framed(makeQuery(name, 'A')));
      await one.answers(1);
    }
    await client().closed;
    kept[0]?.socket.write(framed(makeQuery(name, 'A', { id: 2 })));
    expect((await (kept[0] as Client).answers(1))[0]?.id).to.equal(2);
  });

  it('lets the longest idle one give way at the limit of all', async () => {
    const { client } = await start({ maxConnections: 3 });
    const open = [];
    for (let i = 0; i < 4; i++) {
      const one = client();
      one.socket.write(framed(makeQuery(name, 'A', { id: i })));
      await one.answers(1);
      open.push(one);
    }
    await open[0]?.closed;
    open[1]?.socket.write(framed(makeQuery(name, 'A', { id: 9 })));
    expect((await (open[1] as Client).answers(1))[0]?.id).to.equal(9);
  });

  it('keeps bounded memory for clients that send and never read, and ends them', async function () {
    this.timeout(120_000);
    const { client, listener } = await start({ writeMs: 1_500 });
    const query = framed(makeQuery('many.demo.svc.hyperos.local', 'A'));
    const flood = Buffer.concat(Array.from({ length: 500 }, () => query));
    const greedy = Array.from({ length: 20 }, client);
    for (const { socket } of greedy) socket.pause();
    let peak = 0;
    let open = true;
    const ended = Promise.all(greedy.map(({ closed }) => closed)).then(() => {
      open = false;
    });
    while (open) {
      for (const { socket } of greedy) {
        if (socket.writableLength < flood.length && !socket.destroyed) socket.write(flood);
      }
      peak = Math.max(peak, listener.kept);
      await Promise.race([ended, new Promise(resolve => setTimeout(resolve, 50))]);
    }
    // Answers not sent and one gathering more, queries read and not looked at yet.
    expect(peak).to.be.within(20 * 64 * 1024, 20 * 400 * 1024);
    // The clients may hear of it first.
    while (listener.connections > 0) await new Promise(resolve => setImmediate(resolve));
  });

  it('answers others while one floods', async () => {
    const { client } = await start();
    const greedy = client();
    greedy.socket.pause();
    const query = framed(makeQuery('many.demo.svc.hyperos.local', 'A'));
    greedy.socket.write(Buffer.concat(Array.from({ length: 2_000 }, () => query)));
    const polite = client();
    for (let id = 0; id < 50; id++) {
      polite.socket.write(framed(makeQuery(name, 'A', { id })));
      expect((await polite.answers(1))[0]?.id).to.equal(id);
    }
  });

  it('answers what it had received when it is closed', async () => {
    const { client, listener } = await start();
    const one = client();
    await once(one.socket, 'connect');
    await new Promise<void>(sent => one.socket.write(framed(makeQuery(name, 'A', { id: 6 })), () => sent()));
    const closed = listener.close();
    expect((await one.answers(1))[0]?.id).to.equal(6);
    await one.closed;
    await closed;
  });

  it('survives resets', async () => {
    const { client } = await start();
    for (let i = 0; i < 20; i++) {
      const one = client();
      one.socket.write(framed(makeQuery('many.demo.svc.hyperos.local', 'A')));
      await once(one.socket, 'connect');
      one.socket.resetAndDestroy();
    }
    const one = client();
    one.socket.write(framed(makeQuery(name, 'A', { id: 1 })));
    expect((await one.answers(1))[0]?.id).to.equal(1);
  });
});
