import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect } from 'chai';
import { FrameReader, framesOf, Multiplexer, ProtocolError } from './multiplexer.ts';
import { randomBytes, randomPieces } from './testing/random.ts';

function read(chunks: readonly Buffer[]): Map<number, Buffer> {
  const streams = new Map<number, Buffer>();
  const reader = new FrameReader((connection, piece) =>
    streams.set(connection, Buffer.concat([streams.get(connection) ?? Buffer.alloc(0), piece])),
  );
  for (const chunk of chunks) reader.push(chunk);
  return streams;
}

describe('frames', () => {
  it('are 4,096 bytes long at most', () => {
    const frames = framesOf(2, Buffer.alloc(9_000, 7));
    expect(frames.length).to.equal(9_000 + 3 * 8);
    expect(frames.readUInt32BE(0)).to.equal(2);
    expect(frames.readUInt32BE(4)).to.equal(4_096);
    expect(frames.readUInt32BE(8 + 4_096 + 4)).to.equal(4_096);
    expect(frames.readUInt32BE(2 * (8 + 4_096) + 4)).to.equal(9_000 - 2 * 4_096);
  });

  it('come out as they went in, however the stream is cut', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const sent = [1, 2, 1, 7, 2].map((connection, index) => ({
        connection,
        bytes: randomBytes(seed * 100 + index, seed * 97),
      }));
      const stream = Buffer.concat(sent.map(({ connection, bytes }) => framesOf(connection, bytes)));
      const streams = read(randomPieces(seed, stream));
      for (const connection of [1, 2, 7]) {
        const expected = Buffer.concat(sent.filter(s => s.connection === connection).map(s => s.bytes));
        expect(streams.get(connection)?.equals(expected)).to.equal(true);
      }
    }
  });

  it('of an impossible length are refused before anything is kept', () => {
    const header = Buffer.from('00000001ffffffff', 'hex');
    expect(() => read([header])).to.throw(ProtocolError, 'current value is 4294967295');
  });

  it('random bytes either are frames or are refused', () => {
    for (let seed = 1; seed <= 500; seed++) {
      try {
        read(randomPieces(seed, randomBytes(seed, 4_000)));
      } catch (error) {
        expect(error).to.be.instanceOf(ProtocolError);
      }
    }
  });
});

describe('a multiplexer', () => {
  async function pair(
    maxUnsent?: number,
  ): Promise<{ mux: Multiplexer; ours: Socket; peer: Socket; end(): Promise<void> }> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const ours = connect(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1');
    const [[peer]] = (await Promise.all([once(server, 'connection'), once(ours, 'connect')])) as [
      [Socket],
      unknown,
    ];
    return {
      mux: new Multiplexer(ours, maxUnsent),
      ours,
      peer,
      async end() {
        ours.destroy();
        peer.destroy();
        server.close();
        await once(server, 'close');
      },
    };
  }

  it('ends the socket on nonsense, with the reason', async () => {
    const { ours, peer, end } = await pair();
    peer.write(Buffer.alloc(64, 0xff));
    const [error] = await once(ours, 'error');
    expect(error).to.be.instanceOf(ProtocolError);
    await end();
  });

  it('drops what comes for a connection that nobody opened', async () => {
    const { mux, peer, end } = await pair();
    const received = Promise.withResolvers<string>();
    mux.open(1).onData = piece => received.resolve(piece.toString());
    peer.write(Buffer.concat([framesOf(9, Buffer.from('nobody')), framesOf(1, Buffer.from('somebody'))]));
    expect(await received.promise).to.equal('somebody');
    await end();
  });

  it('ends the socket to a peer that does not read', async () => {
    const { mux, ours, end } = await pair(1_000_000);
    const channel = mux.open(1);
    const ended = once(ours, 'error');
    for (let i = 0; i < 20; i++) channel.send(Buffer.alloc(1_000_000));
    expect((await ended)[0]).to.be.instanceOf(ProtocolError);
    await end();
  });
});
