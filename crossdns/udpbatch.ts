import { ClientAddress } from './client.ts';
import type { Responder } from './responder.ts';
import type { Syscalls } from './syscalls.ts';

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

  constructor(syscalls: Syscalls, responder: Responder) {
    this.#syscalls = syscalls;
    this.#responder = responder;
    this.#at = layout();
    const { address, memory } = syscalls.allocate(this.#at.end);
    this.#octets = new Uint8Array(memory);
    this.#words = new Uint32Array(memory);
    this.#received = address + BigInt(this.#at.received);
    this.#sent = address + BigInt(this.#at.sent);
    const parts = (from: number, size: number) =>
      Array.from({ length: batch }, (_, i) => new Uint8Array(memory, from + i * size, size));
    this.#queries = parts(this.#at.queries, querySize);
    this.#answers = parts(this.#at.answers, answerSize);
    this.#prepare(new DataView(memory), address);
  }

  /** Answers what the socket has received, within limits. @returns the number of messages. */
  drain(fd: number): number {
    let total = 0;
    for (let round = 0; round < maxRounds; round++) {
      const count = this.#syscalls.receive(fd, this.#received, batch);
      if (count <= 0) break;
      total += count;
      this.#send(fd, this.#answerAll(count));
      if (count < batch) break;
    }
    return total;
  }

  /** Pointers that never change. */
  #prepare(view: DataView, base: bigint): void {
    const at = this.#at;
    const pointer = (where: number, offset: number) => view.setBigUint64(where, base + BigInt(offset), true);
    for (let i = 0; i < batch; i++) {
      for (const [headers, vectors, data, size] of [
        [at.received, at.receivedVectors, at.queries + i * querySize, querySize],
        [at.sent, at.sentVectors, at.answers + i * answerSize, answerSize],
      ] as const) {
        const header = headers + i * headerSize;
        const vector = vectors + i * vectorSize;
        pointer(header + nameAt, at.addresses + i * addressSize);
        view.setUint32(header + nameLengthAt, addressSize, true);
        pointer(header + vectorsAt, vector);
        view.setBigUint64(header + vectorCountAt, 1n, true);
        pointer(vector, data);
        view.setBigUint64(vector + 8, BigInt(size), true);
      }
    }
  }

  /** @returns the number of answers, which stand at the front of the headers to send. */
  #answerAll(count: number): number {
    const words = this.#words;
    const at = this.#at;
    let answers = 0;
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
    if (octets[at] === 2) this.#client.setV4(octets, at + 4);
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
  const place = (size: number) => {
    const start = end;
    end += batch * size;
    return start;
  };
  return {
    received: place(headerSize),
    sent: place(headerSize),
    receivedVectors: place(vectorSize),
    sentVectors: place(vectorSize),
    addresses: place(addressSize),
    queries: place(querySize),
    answers: place(answerSize),
    end,
  };
}
