import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { create, toBinary } from '@bufbuild/protobuf';
import { expect } from 'chai';
import type { Channel } from './multiplexer.ts';
import { ResponseSchema } from './protocol/generated/ttrpc_pb.ts';
import { randomBytes, randomNumbers, randomPieces } from './testing/random.ts';
import { encodeMessage, type Handler, MessageReader, StatusError, serveTtrpc, TtrpcClient } from './ttrpc.ts';

/** Two ends of one connection; what one sends the other gets, in random pieces. */
function channels(): [Channel, Channel] {
  let seed = 0;
  const make = (other: () => Channel): Channel => ({
    send: bytes => {
      for (const piece of randomPieces(++seed, Buffer.from(bytes))) setImmediate(() => other().onData(piece));
    },
    onData: () => {},
  });
  const a: Channel = make(() => b);
  const b: Channel = make(() => a);
  return [a, b];
}

function serve(methods: Record<string, Handler>): TtrpcClient {
  const [here, there] = channels();
  serveTtrpc(there, new Map(Object.entries(methods)));
  return new TtrpcClient(here);
}

const signal = () => AbortSignal.timeout(30_000);

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    error => error,
  );
}

describe('ttrpc', () => {
  it('carries calls, many at once, in any order', async () => {
    const client = serve({
      's/echo': async payload => {
        await new Promise(resolve => setTimeout(resolve, (payload[0] ?? 0) % 7));
        return payload;
      },
    });
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => client.call('s', 'echo', Buffer.from([i]), signal())),
    );
    expect(answers.map(answer => answer[0])).to.deep.equal(Array.from({ length: 100 }, (_, i) => i));
  });

  it('tells which status a call failed with', async () => {
    const client = serve({
      's/refuse': () => {
        throw new StatusError(5, 'not here');
      },
      's/break': async () => {
        throw new Error('broken');
      },
    });
    expect(await failure(client.call('s', 'refuse', Buffer.alloc(0), signal()))).to.include({
      code: 5,
      message: 'not here',
    });
    expect(await failure(client.call('s', 'break', Buffer.alloc(0), signal()))).to.include({
      code: 2,
      message: 'broken',
    });
    expect(await failure(client.call('s', 'other', Buffer.alloc(0), signal()))).to.include({ code: 12 });
  });

  it('works on a bounded number of calls at once', async () => {
    const end = Promise.withResolvers<Uint8Array>();
    const client = serve({ 's/wait': () => end.promise });
    const calls = Array.from({ length: 300 }, () =>
      failure(client.call('s', 'wait', Buffer.alloc(0), signal())),
    );
    const refused = await Promise.race(calls);
    expect(refused).to.include({ code: 8 });
    end.resolve(Buffer.alloc(0));
    const results = await Promise.all(calls);
    expect(results.filter(result => result === undefined)).to.have.length(256);
  });

  it('answers a request that is too long, and what comes after it', async () => {
    const [here, there] = channels();
    serveTtrpc(there, new Map([['s/m', () => Buffer.from('yes')]]));
    const answers: { stream: number; code: number | undefined }[] = [];
    const { fromBinary } = await import('@bufbuild/protobuf');
    const done = Promise.withResolvers<void>();
    const reader = new MessageReader(({ stream, body }) => {
      answers.push({ stream, code: fromBinary(ResponseSchema, body ?? Buffer.alloc(0)).status?.code });
      if (answers.length === 2) done.resolve();
    });
    here.onData = piece => reader.push(piece);
    const length = 4 * 1024 * 1024 + 1;
    const long = encodeMessage(1, 1, Buffer.alloc(0));
    long.writeUInt32BE(length, 0);
    here.send(long);
    here.send(Buffer.alloc(length));
    const request = Buffer.concat([
      Buffer.from([0x0a, 1]),
      Buffer.from('s'),
      Buffer.from([0x12, 1]),
      Buffer.from('m'),
    ]);
    here.send(encodeMessage(3, 1, request));
    await done.promise;
    expect(answers).to.deep.equal([
      { stream: 1, code: 8 },
      { stream: 3, code: undefined },
    ]);
  }).timeout(60_000);

  it('holds no more of a message that comes octet by octet than of another', () => {
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    const held = () => {
      collect();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return heapUsed + arrayBuffers;
    };
    const length = 512 * 1024;
    const received: number[] = [];
    const reader = new MessageReader(({ body }) => received.push(body?.length ?? -1));
    const octets = encodeMessage(1, 1, Buffer.alloc(length));
    const before = held();
    for (let at = 0; at < octets.length - 1; at++) reader.push(octets.subarray(at, at + 1));
    expect(held() - before).to.be.lessThan(10 * length);
    reader.push(octets.subarray(-1));
    expect(received).to.deep.equal([length]);
  });

  it('gives up a call when its signal says so, and forgets it', async () => {
    const client = serve({ 's/never': () => new Promise(() => {}) });
    const stop = new AbortController();
    const call = failure(client.call('s', 'never', Buffer.alloc(0), stop.signal));
    stop.abort(new Error('enough'));
    expect(await call).to.have.property('message', 'enough');
  });

  it('answers of no call are ignored, answers of nonsense fail the call', async () => {
    const [here, there] = channels();
    const client = new TtrpcClient(here);
    const call = failure(client.call('s', 'm', Buffer.alloc(0), signal()));
    there.send(encodeMessage(99, 2, toBinary(ResponseSchema, create(ResponseSchema, {}))));
    there.send(encodeMessage(1, 2, Buffer.from([0xff, 0xff, 0xff])));
    expect(await call).to.be.instanceOf(Error);
  });

  it('a server lives through random bytes, random messages and random requests', async () => {
    const [here, there] = channels();
    let sent = 0;
    here.onData = piece => (sent += piece.length);
    serveTtrpc(there, new Map([['s/m', payload => payload]]));
    for (let seed = 1; seed <= 300; seed++) {
      const next = randomNumbers(seed);
      for (let i = 0; i < 5; i++) {
        const body = randomBytes(seed * 10 + i, next() % 200);
        there.onData(encodeMessage(next(), next() % 4, body));
      }
    }
    await new Promise(resolve => setImmediate(resolve));
    expect(sent).to.be.greaterThan(0);
    for (let seed = 1; seed <= 300; seed++) there.onData(randomBytes(seed, 1_000));
    await new Promise(resolve => setImmediate(resolve));
  });
});
