import { createConnection } from 'node:net';
import type { Logger } from '../process/log.ts';
import { announcementsOf } from './announcement.ts';
import type { NicPlan } from './nic-plan.ts';
import type { SwitchPort } from './node-switch.ts';

/** OpenFlow 1.3, 7.1: version, type, length, transaction. */
const version = 4;
const hello = 0;
const errorReply = 1;
const packetOut = 13;
const headerLength = 8;
const timeoutMs = 2_000;

/**
 * Says on the network which MAC has a pod's addresses: as if the pod had said so at its port, through OVN's own flows,
 * by OpenFlow on the bridge's socket. Nothing enters the pod for that, and no raw socket is needed.
 *
 * Said when the switch has the port, and again when OVN's flows for it are in place; what is lost harms nobody, as MACs
 * are made of the addresses.
 */
export class Announcer {
  readonly #socketPath: string;
  readonly #log: Logger;
  /** What was said of a port. */
  readonly #said = new Map<string, string>();
  #work: Promise<void> = Promise.resolve();

  /** @param socketPath for example /run/openvswitch/br-int.mgmt */
  constructor(socketPath: string, log: Logger) {
    this.#socketPath = socketPath;
    this.#log = log;
  }

  announce({ name, ofport, isInstalled }: SwitchPort, plan: NicPlan): void {
    if (ofport === undefined) return;
    const what = `${ofport} ${isInstalled} ${plan.mac} ${plan.addresses.join()}`;
    if (this.#said.get(name) === what) return;
    this.#said.set(name, what);
    const frames = announcementsOf(plan);
    this.#work = this.#work
      .then(() => sendPackets(this.#socketPath, ofport, frames))
      .catch(error => this.#log.debug({ err: error, device: name }, 'addresses were not announced'));
  }

  /** A port is gone: one that gets its name later is another. */
  forget(names: readonly string[]): void {
    for (const name of names) this.#said.delete(name);
  }
}

/**
 * Puts frames into a bridge as if they came from a port.
 *
 * @throws Error where the bridge does not speak OpenFlow 1.3 or refuses.
 */
export function sendPackets(path: string, inPort: number, frames: readonly Buffer[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = createConnection({ path });
  const timer = setTimeout(() => socket.destroy(new Error('the bridge must answer')), timeoutMs);
  let received = Buffer.alloc(0);
  socket.on('error', reject);
  socket.on('close', () => {
    clearTimeout(timer);
    reject(new Error('the bridge closed the connection'));
  });
  socket.on('data', chunk => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= headerLength) {
      const length = received.readUInt16BE(2);
      if (length < headerLength || received.length < length) break;
      const type = received.readUInt8(1);
      if (type === errorReply)
        socket.destroy(new Error(`the bridge refused: ${received.toString('hex', headerLength, length)}`));
      if (type === hello) {
        for (const frame of frames) socket.write(encodePacketOut(inPort, frame));
        // All of it is read before the connection ends.
        socket.write(encode(20, Buffer.alloc(0)));
      }
      // The answer to the barrier.
      if (type === 21) {
        resolve();
        socket.destroy();
      }
      received = received.subarray(length);
    }
  });
  socket.write(encode(hello, Buffer.alloc(0)));
  return promise;
}

function encode(type: number, body: Buffer): Buffer {
  const message = Buffer.alloc(headerLength + body.length);
  message.writeUInt8(version, 0);
  message.writeUInt8(type, 1);
  message.writeUInt16BE(message.length, 2);
  message.set(body, headerLength);
  return message;
}

/** No buffer; one action: output to the tables (OFPP_TABLE). */
function encodePacketOut(inPort: number, frame: Buffer): Buffer {
  const head = Buffer.from('ffffffff00000000001000000000000000000010fffffff90000000000000000', 'hex');
  head.writeUInt32BE(inPort, 4);
  return encode(packetOut, Buffer.concat([head, frame]));
}
