import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectByTls } from 'node:tls';
import { expect } from 'chai';
import { Link } from '../../../ovn-node/link.ts';
import type { Plan } from '../../../ovn-node/link-plan.ts';
import { makePki } from '../../../ovsdb-client/testing/certificates.ts';
import { freePort } from '../../../ovsdb-client/testing/programs.ts';
import { silentLogger } from '../../../process/log.ts';

const size = 4 << 20;
/** An error before is part of what is tested. */
const closed = (socket: Socket) => new Promise<void>(resolve => socket.once('close', () => resolve()));

/** Two ends of the link, with sockets of the system and certificates by openssl. */
describe('the link between members of OVN’s databases', function () {
  this.timeout(180_000);
  let directory = '';
  let echo: Server;
  let served: Socket[] = [];
  let near: Link;
  let far: Link;
  let local = 0;
  let servername = 'member.test';

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nauti-link-'));
    await certificates('one');
    echo = createServer(socket => {
      served.push(socket);
      socket.on('error', () => {});
      socket.pipe(socket);
    });
    echo.listen(join(directory, 'nb.sock'));
    await once(echo, 'listening');
    local = await freePort();
    far = await open([]);
    near = await open([{ host: '127.0.0.1', port: local, member: 0, service: 'nb' }]);
  });

  after(async () => {
    near.close();
    far.close();
    echo.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** Makes an authority and its certificates, and lets `current` be them at once. */
  async function certificates(name: string): Promise<void> {
    const place = join(directory, name);
    await mkdir(place);
    const pki = await makePki(place, 'member.test');
    await rename(pki.serverCert, join(place, 'tls.crt'));
    await rename(pki.serverKey, join(place, 'tls.key'));
    await rename(pki.ca, join(place, 'ca.crt'));
    await symlink(place, join(directory, 'link'));
    await rename(join(directory, 'link'), join(directory, 'current'));
  }

  async function open(listeners: Plan['listeners']): Promise<Link> {
    const nb = { kind: 'unix', path: join(directory, 'nb.sock') } as const;
    const link = new Link({
      plan: { targets: { nb, sb: nb, 'nb-raft': nb, 'sb-raft': nb }, listeners },
      listen: { host: '127.0.0.1', port: 0 },
      placeOf: () => ({ host: '127.0.0.1', port: far.port, servername }),
      directory,
      log: silentLogger(),
    });
    await link.open();
    return link;
  }

  /** Sends octets to the local end; what came back until the connection ended, or all of them have. */
  async function exchange(octets: Buffer): Promise<number> {
    const socket = connect(local, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(octets);
    let received = 0;
    await new Promise<void>(resolve => {
      socket.on('data', data => {
        received += data.length;
        if (received === octets.length) resolve();
      });
      socket.on('close', () => resolve());
    });
    socket.destroy();
    return received;
  }

  it('carries all octets there and back', async () => {
    expect(await exchange(Buffer.alloc(size, 7))).to.equal(size);
  });

  it('ends both sides when one ends', async () => {
    served = [];
    const socket = connect(local, '127.0.0.1');
    socket.write('x');
    await once(socket, 'data');
    served[0]?.destroy();
    await closed(socket);

    const again = connect(local, '127.0.0.1');
    again.write('x');
    await once(again, 'data');
    const ended = once(served[1] as Socket, 'close');
    again.destroy();
    await ended;
  });

  it('lets in nobody without a certificate, or with one of another authority', async () => {
    await mkdir(join(directory, 'stranger'));
    const other = await makePki(join(directory, 'stranger'), 'member.test');
    served = [];
    const strangers = [
      {},
      { cert: await readFile(other.serverCert, 'utf8'), key: await readFile(other.serverKey, 'utf8') },
    ];
    for (const credentials of strangers) {
      const socket = connectByTls({
        host: '127.0.0.1',
        port: far.port,
        ca: await readFile(join(directory, 'current', 'ca.crt'), 'utf8'),
        servername: 'member.test',
        ALPNProtocols: ['nb'],
        ...credentials,
      });
      socket.on('error', () => {});
      socket.on('secureConnect', () => socket.write('hello'));
      await closed(socket);
    }
    expect(served).to.deep.equal([]);
  });

  it('lets in nobody who names no service', async () => {
    const read = (name: string) => readFile(join(directory, 'current', name), 'utf8');
    const socket = connectByTls({
      host: '127.0.0.1',
      port: far.port,
      servername: 'member.test',
      ca: await read('ca.crt'),
      cert: await read('tls.crt'),
      key: await read('tls.key'),
    });
    socket.on('error', () => {});
    served = [];
    await closed(socket);
    expect(served).to.deep.equal([]);
  });

  it('says nothing to a member whose certificate is not its own', async () => {
    served = [];
    servername = 'other.test';
    expect(await exchange(Buffer.from('secret'))).to.equal(0);
    servername = 'member.test';
    expect(served).to.deep.equal([]);
  });

  it('takes certificates that were renewed, by a new authority too', async () => {
    await certificates('two');
    await far.refresh();
    expect(await exchange(Buffer.from('x'))).to.equal(0);
    await near.refresh();
    expect(await exchange(Buffer.from('x'))).to.equal(1);
  });
});
