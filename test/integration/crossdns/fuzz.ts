/**
 * Throws made-up messages at the server's answering core, and checks each answer with a reader that shares no code
 * with it.
 *
 *   node test/integration/crossdns/fuzz.ts [INPUTS [SEED]]     (10 million take about five minutes)
 *
 * Inputs come from a grammar of DNS messages, whose parts are then bent: octets flipped, cut, doubled, spliced.
 */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Answer, readAnswer } from '../../../crossdns/dnsclient.ts';
import type { RateLimiter } from '../../../crossdns/ratelimit.ts';
import { importOf, Served, sliceOf } from '../../../crossdns/served.fixture.ts';

/** An input that broke a promise; the message has it in hexadecimal. */
export class FuzzFailure extends Error {
  override readonly name = 'FuzzFailure';
}

export interface FuzzResult {
  readonly inputs: number;
  readonly answered: number;
  /** How often each response code came. */
  readonly rcodes: Readonly<Record<string, number>>;
  /** Milliseconds. */
  readonly slowest: number;
  /** Octets that the heap grew by. */
  readonly growth: number;
}

/** No input may take longer, in milliseconds. */
const longest = 5;
const maxUdp = 1_232;

/** Numbers that are the same for the same seed (xorshift32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  /** An integer from 0 to below `sides`. */
  roll(sides: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % sides;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.roll(values.length)] as T;
  }
}

const names = [
  ['web', 'demo', 'svc', 'hyperos', 'local'],
  ['c1', 'web', 'demo', 'svc', 'hyperos', 'local'],
  ['_http', '_tcp', 'web', 'demo', 'svc', 'hyperos', 'local'],
  ['_http', '_tcp', 'many', 'demo', 'svc', 'clusterset', 'local'],
  ['many', 'demo', 'svc', 'clusterset', 'local'],
  ['web-0', 'c1', 'db', 'demo', 'svc', 'clusterset', 'local'],
  ['dns-version', 'clusterset', 'local'],
  ['hyperos', 'local'],
  ['ns', 'dns', 'hyperos', 'local'],
  ['1', '0', '1', '10', 'in-addr', 'arpa'],
  ['1', '10', 'in-addr', 'arpa'],
  [...'5000000000000000', ...'0000000031100df', 'ip6', 'arpa'],
  ['demo', 'svc', 'hyperos', 'local'],
  ['example', 'com'],
  [],
];
const types = [1, 28, 33, 16, 6, 2, 255, 12, 41, 251, 252, 257, 1000, 0, 65_535];

/** A name in wire form, mostly one that is known, sometimes bent. */
function fuzzName(dice: Dice): number[] {
  const labels = [...dice.pick(names)];
  if (dice.roll(4) === 0) labels.unshift('x'.repeat(dice.roll(70)));
  if (dice.roll(8) === 0) labels.splice(dice.roll(labels.length + 1), 1);
  if (dice.roll(40) === 0) for (let i = dice.roll(140); i > 0; i--) labels.unshift('y');
  const wire: number[] = [];
  for (const label of labels) {
    wire.push(label.length & 0xff);
    for (const letter of label) {
      const code = letter.charCodeAt(0);
      wire.push(dice.roll(6) === 0 ? code ^ 0x20 : code);
    }
  }
  const end = dice.roll(30);
  if (end === 0) wire.push(0xc0 | dice.roll(64), dice.roll(256));
  else if (end === 1) wire.push(0x40 | dice.roll(128));
  else wire.push(0);
  return wire;
}

function u16(value: number): number[] {
  return [(value >> 8) & 0xff, value & 0xff];
}

function fuzzOpt(dice: Dice): number[] {
  const options: number[] = [];
  for (let i = dice.roll(4); i > 0; i--) {
    const size = dice.pick([0, 1, 8, 16, 24, 40, 41]);
    options.push(...u16(dice.pick([3, 8, 10, 11, 12, 100])));
    options.push(...u16(dice.roll(20) === 0 ? dice.roll(65_536) : size));
    for (let at = 0; at < size; at++) options.push(dice.roll(256));
  }
  const owner = dice.roll(20) === 0 ? fuzzName(dice) : [0];
  const version = dice.roll(8) === 0 ? dice.roll(256) : 0;
  const size = dice.roll(20) === 0 ? dice.roll(65_536) : options.length;
  const payload = dice.pick([0, 512, 1232, 4096, 65_535]);
  return [...owner, 0, 41, ...u16(payload), 0, version, ...u16(dice.roll(65_536)), ...u16(size), ...options];
}

function fuzzRecord(dice: Dice): number[] {
  const data = Array.from({ length: dice.roll(20) }, () => dice.roll(256));
  const size = dice.roll(10) === 0 ? dice.roll(65_536) : data.length;
  return [...fuzzName(dice), ...u16(dice.pick(types)), 0, 1, 0, 0, 0, 5, ...u16(size), ...data];
}

/** One input. */
export function fuzzMessage(dice: Dice): Buffer {
  if (dice.roll(50) === 0) return Buffer.from([...u16(1), 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, ...fuzzOpt(dice)]);
  const opts = dice.roll(3);
  const records = dice.roll(12) === 0 ? dice.roll(5) : 0;
  const flags = dice.roll(4) === 0 ? dice.roll(65_536) : 0x0100;
  const questions = dice.roll(20) === 0 ? dice.roll(4) : 1;
  const octets = [...u16(dice.roll(65_536)), ...u16(flags), ...u16(questions)];
  octets.push(0, dice.roll(40) === 0 ? 1 : 0, 0, dice.roll(40) === 0 ? 1 : 0);
  octets.push(...u16(dice.roll(20) === 0 ? dice.roll(65_536) : (opts === 1 ? 1 : 0) + records));
  octets.push(...fuzzName(dice), ...u16(dice.pick(types)), ...u16(dice.pick([1, 1, 1, 1, 255, 3, 254])));
  for (let i = 0; i < records; i++) octets.push(...fuzzRecord(dice));
  if (opts === 1) octets.push(...fuzzOpt(dice));
  return bend(Buffer.from(octets), dice);
}

function bend(message: Buffer, dice: Dice): Buffer {
  switch (dice.roll(8)) {
    case 0:
      for (let i = dice.roll(6); i >= 0; i--) message[dice.roll(message.length)] = dice.roll(256);
      return message;
    case 1:
      return message.subarray(0, dice.roll(message.length + 1));
    case 2: {
      const at = dice.roll(message.length);
      return Buffer.concat([message, message.subarray(at), message.subarray(0, at)]);
    }
    case 3:
      return dice.roll(10) === 0
        ? Buffer.from(Array.from({ length: dice.roll(600) }, () => dice.roll(256)))
        : message;
    default:
      return message;
  }
}

/** A server with something of every kind. */
export function fuzzedServer(limiter?: RateLimiter): Served {
  const many = Array.from({ length: 500 }, (_, i) => `10.9.${i >> 8}.${i & 255}`);
  const ports = ['http/tcp:80'];
  return new Served(
    [
      importOf('demo/web', { ips: ['10.96.7.7', 'fd96::7'], ports }),
      importOf('demo/many', { headless: true, ports }),
      importOf('demo/db', { headless: true, ports }),
      sliceOf('demo/web', 'c1', ['10.1.0.1', '10.1.0.2'], { ports }),
      sliceOf('demo/many', 'c1', many, { ports }),
      sliceOf('demo/db', 'c1', ['web-0=10.2.0.1'], { ports }),
    ],
    { nsid: 'fuzzed', limiter, reverse: ['10.1.0.0/16', 'fd00::/16'] },
  );
}

/** What every answer must be. @returns the answer, undefined where none was given. */
export function checkAnswer(
  message: Buffer,
  octets: Uint8Array,
  transport: 'udp' | 'tcp',
): Answer | undefined {
  const isQuery = message.length >= 12 && ((message[2] ?? 0) & 0x80) === 0;
  if (octets.length === 0) {
    if (isQuery) throw new Error('a query got no answer');
    return undefined;
  }
  if (!isQuery) throw new Error('what is no query got an answer');
  if (transport === 'udp' && octets.length > maxUdp) throw new Error(`an answer of ${octets.length} octets`);
  const answer = readAnswer(octets);
  if (answer.id !== message.readUInt16BE(0)) throw new Error('another id');
  if (((octets[2] ?? 0) & 0xf8) !== (0x80 | ((message[2] ?? 0) & 0x78))) throw new Error('another opcode');
  for (const flag of ['ra', 'z', 'ad', 'cd']) {
    if (answer.flags.includes(flag)) throw new Error(`flag ${flag}`);
  }
  if (answer.question.length === 1) {
    const end = 12 + questionSize(message);
    if (Buffer.compare(message.subarray(12, end), octets.subarray(12, end)) !== 0) {
      throw new Error('another question');
    }
  }
  if (answer.rcode !== 'NOERROR' && answer.answers.length > 0) throw new Error('records in an error');
  return answer;
}

function questionSize(message: Buffer): number {
  let at = 12;
  while (message[at] !== 0) at += 1 + (message[at] ?? 0);
  return at + 5 - 12;
}

/** @throws FuzzFailure at the first input that breaks a promise. */
export function fuzz(inputs: number, seed: number): FuzzResult {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const served = fuzzedServer();
  const dice = new Dice(seed);
  const rcodes: Record<string, number> = {};
  let [answered, slowest, before] = [0, 0, 0];
  // The first tenth compiles and fills what is kept for good.
  const settled = Math.floor(inputs / 10);
  for (let i = 0; i < inputs; i++) {
    if (i === settled) {
      collectGarbage();
      before = process.memoryUsage().heapUsed;
    }
    const message = fuzzMessage(dice);
    const transport = dice.roll(2) === 0 ? 'udp' : 'tcp';
    try {
      slowest = Math.max(slowest, timed(served, message, transport));
      const answer = checkAnswer(message, served.respond(message, transport), transport);
      if (answer === undefined) continue;
      answered++;
      rcodes[answer.rcode] = (rcodes[answer.rcode] ?? 0) + 1;
    } catch (error) {
      throw new FuzzFailure(`input ${i} of seed ${seed} over ${transport}: ${message.toString('hex')}`, {
        cause: error,
      });
    }
  }
  collectGarbage();
  return { inputs, answered, rcodes, slowest, growth: process.memoryUsage().heapUsed - before };
}

/** How long an input takes, in milliseconds; a long time counts when it comes again, not when the machine was busy. */
function timed(served: Served, message: Buffer, transport: 'udp' | 'tcp'): number {
  for (let tries = 0; ; tries++) {
    const begin = performance.now();
    served.respond(message, transport);
    const took = performance.now() - begin;
    if (took < longest) return took;
    if (tries === 5) throw new Error(`took ${took} ms`);
  }
}

if (import.meta.main) {
  const [inputs = '10000000', seed = String(Date.now() & 0x7fff_ffff)] = process.argv.slice(2);
  const begin = performance.now();
  const result = fuzz(Number(inputs), Number(seed));
  const seconds = ((performance.now() - begin) / 1_000).toFixed(1);
  process.stdout.write(`${JSON.stringify({ seed: Number(seed), seconds, ...result }, undefined, 2)}\n`);
}
