import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { expect } from 'chai';
import { makeQuery, readAnswer } from '../../../crossdns/dnsclient.ts';
import { loadSyscalls } from '../../../crossdns/syscalls.ts';
import { defaultTcpLimits, listenTcp } from '../../../crossdns/tcp.ts';
import { listenUdp } from '../../../crossdns/udp.ts';
import { silentLogger } from '../../../process/log.ts';
import { checkAnswer, Dice, fuzz, fuzzedServer, fuzzMessage } from './fuzz.ts';

describe('any octets', function () {
  this.timeout(180_000);

  it('get a right answer, an error or nothing, at once, and leave nothing behind', () => {
    const result = fuzz(100_000, 20_241_121);
    expect(result.growth).to.be.lessThan(2 * 1024 * 1024);
    // The inputs reach everything: where one of these is missing they have become too wild, or too tame.
    expect(result.rcodes).to.include.keys(
      ...['NOERROR', 'NXDOMAIN', 'FORMERR', 'NOTIMP', 'REFUSED', 'BADVERS', 'BADCOOKIE'],
    );
    expect(result.answered / result.inputs).to.be.within(0.6, 0.99);
  });

  it('are found when they break a promise', () => {
    const query = makeQuery('web.demo.svc.hyperos.local', 'A', { id: 1 });
    const answer = Buffer.from(fuzzedServer().respond(query));
    for (const [at, value] of [
      [0, 9],
      [2, 0x04],
      [13, 0x58],
      [3, 0x40],
      [3, 0x83],
    ] as const) {
      const bad = Buffer.from(answer);
      bad[at] = value;
      expect(() => checkAnswer(query, bad, 'udp'), `octet ${at}`).to.throw();
    }
    expect(() => checkAnswer(query, Buffer.alloc(0), 'udp')).to.throw('no answer');
    expect(() => checkAnswer(query, answer.subarray(0, -1), 'udp')).to.throw();
  });

  const syscalls = loadSyscalls();
  for (const way of ['missing' in syscalls ? undefined : syscalls, undefined]) {
    it(`do not stop the UDP server ${way ? 'in batches' : 'by Node alone'}`, async () => {
      const { responder } = fuzzedServer();
      const log = silentLogger();
      const listener = await listenUdp({ host: '127.0.0.1', port: 0 }, { responder, log, syscalls: way });
      const client = createSocket('udp4');
      await new Promise<void>(resolve => client.connect(listener.address.port, '127.0.0.1', resolve));
      const dice = new Dice(7);
      const send = (message: Uint8Array) =>
        new Promise<void>((resolve, reject) => {
          client.send(message, error => (error ? reject(error) : resolve()));
        });
      for (let round = 0; round < 200; round++) {
        await Promise.all(Array.from({ length: 50 }, () => send(fuzzMessage(dice))));
        const seen = new Promise<void>(resolve => {
          client.on('message', function look(message: Buffer) {
            if (message.readUInt16BE(0) !== 0xa0a0 || message.length < 40) return;
            client.off('message', look);
            resolve();
          });
        });
        await send(makeQuery('web.demo.svc.hyperos.local', 'A', { id: 0xa0a0 }));
        await seen;
      }
      client.close();
      await listener.close();
    });
  }

  it('do not stop the TCP server, in pieces of any size', async () => {
    const { responder } = fuzzedServer();
    const listener = await listenTcp(
      { host: '127.0.0.1', port: 0 },
      { responder, limits: defaultTcpLimits, log: silentLogger() },
    );
    const dice = new Dice(11);
    for (let round = 0; round < 30; round++) {
      const socket = connect(listener.address.port, '127.0.0.1');
      const messages = Array.from({ length: 200 }, () => fuzzMessage(dice));
      messages.push(makeQuery('web.demo.svc.hyperos.local', 'A', { id: 0xb0b0 }));
      const stream = Buffer.concat(
        messages.flatMap(message => [Buffer.of(message.length >> 8, message.length & 255), message]),
      );
      for (let at = 0; at < stream.length; ) {
        const size = 1 + dice.roll(3_000);
        socket.write(stream.subarray(at, at + size));
        at += size;
        await new Promise(setImmediate);
      }
      const last = await lastAnswer(socket);
      expect(last).to.deep.include({ id: 0xb0b0, rcode: 'NOERROR' });
    }
    await listener.close();
  });
});

/** Reads answers until the last one that was asked for. */
async function lastAnswer(socket: ReturnType<typeof connect>) {
  let received = Buffer.alloc(0);
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk as Buffer]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const end = 2 + received.readUInt16BE(0);
      const answer = readAnswer(received.subarray(2, end));
      if (answer.id === 0xb0b0 && answer.answers.length > 0) return answer;
      received = received.subarray(end);
    }
  }
  throw new Error('the server ended the connection');
}
