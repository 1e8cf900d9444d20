/** From the octets of a query to the octets of its answer. No I/O; nothing allocated lasts beyond the call. */

import { AnswerWriter, type EdnsReply } from './answerwriter.ts';
import type { ClientAddress } from './client.ts';
import type { Node } from './compile.ts';
import { type CookieBaker, cookieVerdict } from './cookie.ts';
import { Query, verdict } from './message.ts';
import type { Outcome, Transport } from './outcome.ts';
import { plainUdpSize, rcode, recordClass, recordType } from './protocol.ts';
import { QueryLog } from './querylog.ts';
import type { RateLimiter } from './ratelimit.ts';
import type { RecordSet } from './recordset.ts';
import { QueryStats } from './stats.ts';
import type { Zone } from './zone.ts';

export interface ResponderOptions {
  /** Octets of the largest answer over UDP, from 512. */
  readonly udpSize: number;
  /** Text that tells this server from its like (RFC 5001); empty for none. */
  readonly nsid?: string;
  /** Undefined for no cookies: the option is then like an unknown one. */
  readonly cookies?: CookieBaker | undefined;
  readonly limiter?: RateLimiter | undefined;
  /** How long a TCP connection may be idle, in milliseconds, for clients that ask (RFC 7828). */
  readonly tcpIdleMs?: number;
  readonly queryLog?: QueryLog;
}

const maxTcp = 65_535;

/** Answers queries from a set of zones, one message at a time; its outcome holds until the next call. */
export class Responder implements Outcome {
  readonly query = new Query();
  /** Until the data is there, every question in a zone is answered with SERVFAIL. */
  ready = false;
  /** Milliseconds of performance.now(), set by whoever calls; as exact as limits on rates need it. */
  now = 0;
  readonly stats: QueryStats;
  readonly queryLog: QueryLog;
  zone: Zone | undefined;
  rcode = 0;
  rateLimited = false;
  cookie = -1;

  readonly #zones: readonly Zone[];
  readonly #udpSize: number;
  readonly #cookies: CookieBaker | undefined;
  readonly #limiter: RateLimiter | undefined;
  readonly #keepalive: number;
  readonly #edns: EdnsReply;
  readonly #nsid: Uint8Array;
  readonly #writer: AnswerWriter;

  constructor(zones: readonly Zone[], options: ResponderOptions) {
    // Of zones inside each other the longest is the one that a name belongs to (RFC 1034 section 4.3.2).
    this.#zones = [...zones].sort((a, b) => b.labelCount - a.labelCount);
    this.stats = new QueryStats(zones.length);
    this.queryLog = options.queryLog ?? new QueryLog();
    this.#udpSize = options.udpSize;
    this.#cookies = options.cookies;
    this.#limiter = options.limiter;
    this.#keepalive = Math.min(65_535, Math.floor((options.tcpIdleMs ?? 0) / 100));
    this.#nsid = Buffer.from(options.nsid ?? '');
    this.#edns = {
      udpSize: options.udpSize,
      nsid: noOctets,
      cookie: new Uint8Array(24),
      hasCookie: false,
      keepalive: 0,
    };
    this.#writer = new AnswerWriter(this.query, this.#edns);
  }

  get truncated(): boolean {
    return this.#writer.truncated;
  }

  /**
   * Answers the first `length` octets of `message` into `out`, which has room for the largest answer.
   *
   * @returns the size of the answer in octets, 0 where there is none to give.
   */
  respond(
    message: Uint8Array,
    length: number,
    out: Uint8Array,
    transport: Transport,
    client: ClientAddress,
  ): number {
    const size = this.#respond(message, length, out, transport, client);
    this.#count(length, size, transport, client);
    return size;
  }

  #count(length: number, size: number, transport: Transport, client: ClientAddress): void {
    const { stats, queryLog } = this;
    const zone = this.zone === undefined ? 0 : this.zone.index + 1;
    stats.count(zone, transport, client.family, this.query.type, this.rcode, length, size);
    if (this.#writer.truncated) stats.countTruncated();
    if (this.rateLimited) stats.countRateLimited();
    if (this.cookie >= 0) stats.countCookie(this.cookie);
    if (queryLog.sample > 0) queryLog.write(this, size, transport, client);
  }

  #respond(
    message: Uint8Array,
    length: number,
    out: Uint8Array,
    transport: Transport,
    client: ClientAddress,
  ): number {
    const { query } = this;
    const writer = this.#writer;
    this.zone = undefined;
    this.rcode = rcode.NOERROR;
    this.rateLimited = false;
    this.cookie = -1;
    const read = query.read(message, length);
    writer.begin(message, out);
    if (read === verdict.drop) return 0;
    if (read !== verdict.answer) {
      if (transport === 'udp' && !this.#mayAnswer(client)) return 0;
      this.rcode = read === verdict.formErr ? rcode.FORMERR : rcode.NOTIMP;
      return writer.headerOnly(this.rcode);
    }
    if (query.edns) this.#prepareOptions(message, transport, client);
    writer.question(message, transport === 'tcp' ? maxTcp : this.#udpLimit());
    // Who shows a cookie of ours, or came over TCP, is who he says he is.
    if (transport === 'udp' && this.cookie !== cookieVerdict.good && !this.#mayAnswer(client)) {
      return this.#overLimit();
    }
    return this.#answer();
  }

  #mayAnswer(client: ClientAddress): boolean {
    if (this.#limiter === undefined || this.#limiter.take(client, this.now)) return true;
    this.rateLimited = true;
    return false;
  }

  /** A client with a cookie is told ours (RFC 7873 section 5.2.3); any other is sent to TCP. */
  #overLimit(): number {
    if (this.cookie >= 0) return this.#empty(rcode.BADCOOKIE);
    this.#writer.truncate();
    return this.#empty(rcode.NOERROR);
  }

  #prepareOptions(message: Uint8Array, transport: Transport, client: ClientAddress): void {
    const { query } = this;
    const edns = this.#edns;
    edns.nsid = query.nsid ? this.#nsid : noOctets;
    edns.keepalive = query.keepalive && transport === 'tcp' ? this.#keepalive : 0;
    edns.hasCookie = false;
    if (query.cookieAt === 0 || this.#cookies === undefined) return;
    const seconds = Math.floor(Date.now() / 1000);
    const { cookieAt, cookieLength } = query;
    this.cookie = this.#cookies.judge(message, cookieAt, cookieLength, client, edns.cookie, seconds);
    edns.hasCookie = true;
  }

  #udpLimit(): number {
    const { query } = this;
    if (!query.edns || query.udpSize < plainUdpSize) return plainUdpSize;
    return Math.min(query.udpSize, this.#udpSize);
  }

  #answer(): number {
    const { query } = this;
    if (query.edns && query.ednsVersion !== 0) return this.#empty(rcode.BADVERS);
    if (query.labelCount === 0 && query.nameLength === 0) {
      // Only asked what our cookie is (RFC 7873 section 5.4).
      return this.#empty(this.cookie === cookieVerdict.bad ? rcode.BADCOOKIE : rcode.NOERROR);
    }
    if (query.class !== recordClass.IN && query.class !== recordClass.ANY) return this.#empty(rcode.REFUSED);
    const zone = this.#findZone();
    if (zone === undefined) return this.#empty(rcode.REFUSED);
    this.zone = zone;
    const { type } = query;
    if (type === recordType.AXFR || type === recordType.IXFR) return this.#empty(rcode.REFUSED);
    if (type === recordType.OPT) return this.#empty(rcode.FORMERR);
    if (!this.ready) return this.#empty(rcode.SERVFAIL);
    const node = zone.find(query);
    if (node === undefined) {
      this.rcode = rcode.NXDOMAIN;
      return this.#writer.negative(rcode.NXDOMAIN, zone);
    }
    const set = findSet(node, type);
    if (set !== undefined) return this.#writer.positive(set);
    // One HINFO record that says why there are no others (RFC 8482 section 4.2).
    if (type === recordType.ANY && (node.sets.length > 0 || node.services))
      return this.#writer.positive(zone.any);
    return this.#writer.negative(rcode.NOERROR, zone);
  }

  #findZone(): Zone | undefined {
    const zones = this.#zones;
    for (let i = 0; i < zones.length; i++) {
      const zone = zones[i] as Zone;
      if (zone.contains(this.query)) return zone;
    }
    return undefined;
  }

  #empty(code: number): number {
    this.rcode = code;
    return this.#writer.empty(code, 0);
  }
}

const noOctets = new Uint8Array();

function findSet(node: Node, type: number): RecordSet | undefined {
  const { sets } = node;
  for (let i = 0; i < sets.length; i++) {
    const set = sets[i] as RecordSet;
    if (set.type === type) return set;
  }
  return type === recordType.SRV ? node.services : undefined;
}
