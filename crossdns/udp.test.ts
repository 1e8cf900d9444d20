import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { expect } from 'chai';
import { silentLogger } from '../process/log.ts';
import { makeQuery, readAnswer } from './dnsclient.ts';
import type { DnsListener } from './listener.ts';
import { Served, sliceOf } from './served.fixture.ts';
import { loadSyscalls, type Syscalls } from './syscalls.ts';
import { listenUdp } from './udp.ts';

const name = 'web.demo.svc.hyperos.local';

function batches(): Syscalls {
  const syscalls = loadSyscalls();
  if ('missing' in syscalls) throw new Error(syscalls.missing);
  return syscalls;
}

for (const [way, syscalls] of [
  ['in batches', batches],
  ['by Node alone', () => undefined],
] as const) {
  describe(`UDP ${way}`, () => {
    const served = new Served([sliceOf('demo/web', 'c1', ['10.1.0.1'])]);
    const log = silentLogger();
    let listener: DnsListener;
    const clients: Socket[] = [];

    before(async () => {
      const { responder } = served;
      listener = await listenUdp({ host: '127.0.0.1', port: 0 }, { responder, log, syscalls: syscalls() });
    });

    after(async () => {
      for (const client of clients) client.close();
      await listener.close();
    });

    /** Sends messages at once and gathers as many answers. */
    async function exchange(messages: Uint8Array[], answers = messages.length, to = listener.address) {
      const client = createSocket(to.host.includes(':') ? 'udp6' : 'udp4');
      clients.push(client);
      const received: Buffer[] = [];
      const done = new Promise<void>(resolve => {
        client.on('message', message => {
          received.push(message);
          if (received.length === answers) resolve();
        });
      });
      for (const message of messages) client.send(message, to.port, to.host);
      await done;
      return received.map(readAnswer);
    }

    it('answers one query', async () => {
      const [answer] = await exchange([makeQuery(name, 'A', { id: 7 })]);
      expect(answer).to.deep.include({ id: 7, rcode: 'NOERROR' });
      expect(answer?.answers).to.eql([`${name}. 5 IN A 10.1.0.1`]);
    });

    it('answers each of many at once, good and bad among each other', async () => {
      const messages = Array.from({ length: 150 }, (_, i) => {
        if (i % 3 === 1) return makeQuery(`nope${i}.svc.hyperos.local`, 'AAAA', { id: i });
        if (i % 3 === 2) return makeQuery(name, 'A', { id: i }).subarray(0, 20);
        return makeQuery(name, 'A', { id: i });
      });
      const answers = await exchange(messages);
      expect(answers.map(({ id }) => id).sort((a, b) => a - b)).to.eql(messages.map((_, i) => i));
      for (const { id, rcode } of answers) expect(rcode).to.equal(['NOERROR', 'NXDOMAIN', 'FORMERR'][id % 3]);
    });

    it('does not answer answers, and goes on', async () => {
      const reply = makeQuery(name, 'A', { flags: 0x8000 });
      const answers = await exchange([reply, reply, Buffer.alloc(5), makeQuery(name, 'A', { id: 9 })], 1);
      expect(answers.map(({ id }) => id)).to.eql([9]);
    });

    it('takes datagrams of any size', async () => {
      const large = Buffer.concat([makeQuery(name, 'A'), Buffer.alloc(60_000)]);
      const answers = await exchange([large, makeQuery(name, 'A', { id: 2 }), large]);
      expect(answers.map(({ rcode }) => rcode).sort()).to.eql(['FORMERR', 'FORMERR', 'NOERROR']);
    });

    it('answers on both families at [::]', async () => {
      const { responder } = served;
      const both = await listenUdp({ host: '::', port: 0 }, { responder, log, syscalls: syscalls() });
      const { port } = both.address;
      const query = [makeQuery(name, 'A', { id: 1 }), makeQuery(name, 'A', { id: 2 })];
      const four = await exchange(query, 2, { host: '127.0.0.1', port });
      const six = await exchange(query, 2, { host: '::1', port });
      expect([...four, ...six].map(({ rcode }) => rcode)).to.eql(Array.from({ length: 4 }, () => 'NOERROR'));
      await both.close();
    });

    it('answers what it had received when it is closed', async () => {
      const { responder } = served;
      const short = await listenUdp({ host: '127.0.0.1', port: 0 }, { responder, log, syscalls: syscalls() });
      const client = createSocket('udp4');
      clients.push(client);
      client.bind(0, '127.0.0.1');
      await once(client, 'listening');
      const answers: number[] = [];
      client.on('message', message => answers.push(readAnswer(message).id));
      await Promise.all(
        [1, 2, 3].map(
          id =>
            new Promise<void>(sent =>
              client.send(makeQuery(name, 'A', { id }), short.address.port, '127.0.0.1', () => sent()),
            ),
        ),
      );
      await short.close();
      while (answers.length < 3) await once(client, 'message');
      expect(answers).to.eql([1, 2, 3]);
    });

    it('says which address it cannot have', async () => {
      const { responder } = served;
      const error = await listenUdp(listener.address, { responder, log, syscalls: syscalls() }).then(
        () => undefined,
        (reason: Error) => reason,
      );
      expect(error?.message).to.contain('EADDRINUSE').and.contain(String(listener.address.port));
    });

    it('lets several share a port', async () => {
      const { responder } = served;
      const shared = { responder, log, syscalls: syscalls(), reusePort: true };
      const first = await listenUdp({ host: '127.0.0.1', port: 0 }, shared);
      const second = await listenUdp(first.address, shared);
      expect(second.address).to.eql(first.address);
      await Promise.all([first.close(), second.close()]);
    });
  });
}

describe('UDP in batches', () => {
  it('is what this machine has, so that the tests above are of both ways', () => {
    expect(loadSyscalls()).not.to.have.property('missing');
  });
});
