import type { RemoteInfo } from 'node:dgram';
import { addressBytes } from './address.ts';
import { ClientAddress } from './client.ts';
import type { Responder } from './responder.ts';
import { AF_INET, AF_INET6, type Syscalls } from './syscalls.ts';

/** Messages that one call receives or sends at most. */
const batch = 64;
/** Batches before the event loop has its turn again: TCP, timers and data must not starve. */
const maxRounds = 8;

/** Sizes of struct mmsghdr, iovec, and a socket address of either family with room. */
const [headerSize, vectorSize, addressSize] = [64, 16, 32];
/** Octets for a query; a longer one is cut off, and so malformed. */
const querySize = 4_096;
/** Octets for an answer, the largest that may be configured. */
const answerSize = 4_096;
/** Sizes of struct sockaddr_in and sockaddr_in6. */
const [sizeOfV4, sizeOfV6] = [16, 28];
/** Offsets in struct mmsghdr: msg_name, msg_namelen, msg_iov, msg_iovlen, msg_len. */
const [nameAt, nameLengthAt, vectorsAt, vectorCountAt, lengthAt] = [0, 8, 16, 24, 56];

/**
 * Receives and answers datagrams many at a time, with two system calls a batch. The sender's address goes from one
 * call to the other where it lies. One instance serves any number of sockets, one after the other.
 */
export class DatagramBatch {
  readonly #syscalls: Syscalls;
  readonly #responder: Responder;
  readonly #client = new ClientAddress();
  readonly #octets: Uint8Array;
  readonly #words: Uint32Array;
  readonly #received: bigint;
  readonly #sent: bigint;
  readonly #queries: readonly Uint8Array[];
  readonly #answers: readonly Uint8Array[];
  /** Offsets of the parts in the memory. */
  readonly #at: Layout;
  /** Where the sender's address of a message stands that Node received: a pointer, lower half first. */
  readonly #first: readonly [number, number];

  constructor(syscalls: Syscalls, responder: Responder) {
    this.#syscalls = syscalls;
    this.#responder = responder;
    this.#at = layout();
    const { address, memory } = syscalls.allocate(this.#at.end);
    this.#octets = new Uint8Array(memory);
    this.#words = new Uint32Array(memory);
    this.#received = address + BigInt(this.#at.received);
    this.#sent = address + BigInt(this.#at.sent);
    const first = address + BigInt(this.#at.firstAddress);
    this.#first = [Number(first & 0xffffffffn), Number(first >> 32n)];
    const parts = (from: number, size: number, count: number) =>
      Array.from({ length: count }, (_, i) => new Uint8Array(memory, from + i * size, size));
    this.#queries = parts(this.#at.queries, querySize, batch);
    this.#answers = parts(this.#at.answers, answerSize, batch + 1);
    this.#prepare(new DataView(memory), address);
  }

  /**
   * Answers a message that Node received, and what the socket received behind it, within limits: all go out together.
   *
   * @returns the number of messages.
   */
  answer(fd: number, message: Uint8Array, from: RemoteInfo): number {
    return 1 + this.#drain(fd, this.#answerFirst(message, from));
  }

  #drain(fd: number, ready: number): number {
    let total = 0;
    let answers = ready;
    for (let round = 0; round < maxRounds; round++) {
      const count = this.#syscalls.receive(fd, this.#received, batch);
      if (count > 0) {
        total += count;
        answers = this.#answerAll(count, answers);
      }
      this.#send(fd, answers);
      answers = 0;
      if (count < batch) break;
    }
    return total;
  }

  /** @returns how many answers stand at the front of the headers to send: one, or none. */
  #answerFirst(message: Uint8Array, { address, port, family }: RemoteInfo): 0 | 1 {
    // Nothing can be sent to port 0; such packets are forged.
    if (port === 0) return 0;
    const client = this.#client;
    client.setText(address);
    const size = this.#responder.respond(
      message,
      message.length,
      this.#answers[0] as Uint8Array,
      'udp',
      client,
    );
    if (size === 0) return 0;
    const octets = this.#octets;
    const at = this.#at.firstAddress;
    octets[at] = family === 'IPv4' ? AF_INET : AF_INET6;
    octets[at + 2] = port >> 8;
    octets[at + 3] = port;
    if (family === 'IPv6') {
      octets.set(addressBytes(address), at + 8);
    } else {
      const value = client.words[0] as number;
      for (let i = 0; i < 4; i++) octets[at + 4 + i] = value >>> (24 - 8 * i);
    }
    const header = this.#at.sent >> 2;
    this.#words[header] = this.#first[0];
    this.#words[header + 1] = this.#first[1];
    this.#words[header + nameLengthAt / 4] = family === 'IPv4' ? sizeOfV4 : sizeOfV6;
    this.#words[(this.#at.sentVectors + 8) >> 2] = size;
    return 1;
  }

  /** Pointers that never change. */
  #prepare(view: DataView, base: bigint): void {
    const at = this.#at;
    const pointer = (where: number, offset: number) => view.setBigUint64(where, base + BigInt(offset), true);
    const prepare = (header: number, vector: number, data: number, size: number) => {
      pointer(header + vectorsAt, vector);
      view.setBigUint64(header + vectorCountAt, 1n, true);
      pointer(vector, data);
      view.setBigUint64(vector + 8, BigInt(size), true);
    };
    for (let i = 0; i < batch; i++) {
      const header = at.received + i * headerSize;
      prepare(header, at.receivedVectors + i * vectorSize, at.queries + i * querySize, querySize);
      pointer(header + nameAt, at.addresses + i * addressSize);
      view.setUint32(header + nameLengthAt, addressSize, true);
    }
    for (let i = 0; i <= batch; i++) {
      const vector = at.sentVectors + i * vectorSize;
      prepare(at.sent + i * headerSize, vector, at.answers + i * answerSize, answerSize);
    }
  }

  /**
   * @param ready how many answers stand at the front of the headers to send.
   * @returns how many do now.
   */
  #answerAll(count: number, ready: number): number {
    const words = this.#words;
    const at = this.#at;
    let answers = ready;
    for (let i = 0; i < count; i++) {
      const header = (at.received + i * headerSize) >> 2;
      const length = words[header + lengthAt / 4] as number;
      const nameLength = words[header + nameLengthAt / 4] as number;
      // The kernel wrote the true length there; the next call needs the room again.
      words[header + nameLengthAt / 4] = addressSize;
      if (!this.#readClient(at.addresses + i * addressSize)) continue;
      const size = this.#responder.respond(
        this.#queries[i] as Uint8Array,
        length,
        this.#answers[answers] as Uint8Array,
        'udp',
        this.#client,
      );
      if (size === 0) continue;
      const answer = (at.sent + answers * headerSize) >> 2;
      words[answer] = words[header] as number;
      words[answer + 1] = words[header + 1] as number;
      words[answer + nameLengthAt / 4] = nameLength;
      words[(at.sentVectors + answers * vectorSize + 8) >> 2] = size;
      answers++;
    }
    return answers;
  }

  /** @returns false for a sender that nothing can be sent to: port 0, which only forged packets have. */
  #readClient(at: number): boolean {
    const octets = this.#octets;
    if (octets[at + 2] === 0 && octets[at + 3] === 0) return false;
    if (octets[at] === AF_INET) this.#client.setV4(octets, at + 4);
    else this.#client.setV6(octets, at + 8);
    return true;
  }

  /** What the kernel does not take is lost like any datagram; the client asks again. */
  #send(fd: number, count: number): void {
    let sent = 0;
    while (sent < count) {
      const more = this.#syscalls.send(fd, this.#sent + BigInt(sent * headerSize), count - sent);
      // The first in line is the one that failed: only that is given up.
      sent += Math.max(1, more);
    }
  }
}

type Layout = ReturnType<typeof layout>;

function layout() {
  let end = 0;
  const place = (size: number, count: number) => {
    const start = end;
    end += count * size;
    return start;
  };
  return {
    received: place(headerSize, batch),
    sent: place(headerSize, batch + 1),
    receivedVectors: place(vectorSize, batch),
    sentVectors: place(vectorSize, batch + 1),
    addresses: place(addressSize, batch),
    firstAddress: place(addressSize, 1),
    queries: place(querySize, batch),
    answers: place(answerSize, batch + 1),
    end,
  };
}
