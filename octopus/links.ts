import { keyFingerprint } from './key.ts';
import type { LinkMessage, Path, ProbeMessage, TogetherMessage } from './link-message.ts';
import { type LinkFigures, LinkMeter } from './link-meter.ts';
import type { Link } from './topology.ts';

export interface LinksOptions {
  readonly self: string;
  /** Milliseconds between two probes. */
  readonly intervalMs: number;
  readonly send: (clusterId: string, message: LinkMessage) => void;
  /** A path changed, or a key: the plan is another one. */
  readonly onChange: () => void;
  /** A link came up or went down. */
  readonly onState?: (clusterId: string, figures: LinkFigures) => void;
  /**
   * A link that we dial lost another probe: its session may be known to us alone, as the other end was restarted.
   * WireGuard would find out in 15 s, and would try again each 5 s.
   */
  readonly onStale?: (clusterId: string) => void;
  readonly now?: () => number;
}

type What = TogetherMessage['what'];

interface Entry {
  link: Link;
  readonly meter: LinkMeter;
  path: Path;
  changedAt: number;
  /** Whether the other end found the link good, the last time that it said. */
  otherIsGood: boolean;
  /** Whether the other end knows our next key. */
  knowsNext: string | undefined;
  /** What we have begun, and what we follow: a path and a key may change at once. */
  readonly proposals: Map<What, { agreed: boolean; readonly timer: NodeJS.Timeout }>;
  readonly scheduled: Map<What, NodeJS.Timeout>;
}

/** Answers in a row before a link carries packets again. */
const goodUntilUsed = 3;
/** Time from the first word of a change until it is made. */
const countdownMs = 300;
const repeatMs = 50;
/**
 * Whoever follows another's change of key waits a little longer: what was sent under the former key is still on its way.
 */
const drainMs = 30;
/** Probes in a row that a cluster may leave without an answer before its word on a change of key is not waited for. */
const patience = 20;
/** A changed key that nobody answers with was none: its owner did not change. */
const keyTrialMs = 15_000;

/**
 * The tunnels of a gateway as they do: probes, what they tell, and what two ends decide by them.
 *
 * WireGuard takes a packet only from the peer that its source address belongs to, so two clusters must change between
 * their own tunnel and the hub together, or neither hears the other. Down: each by its own probes, or when the other
 * says so. Up: together, by a countdown that the one with the smaller id begins; the countdown says how long is left,
 * so clocks need not agree.
 */
export class Links {
  readonly #options: LinksOptions;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();
  /** Keys that clusters have changed to, before their Peers say so. */
  readonly #changedKeys = new Map<string, { readonly key: string; readonly at: number }>();
  #seq = 0;
  #nextKey: string | undefined;

  constructor(options: LinksOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * Follows the topology.
   *
   * @param carries whether the device sends packets by this link already: what a former life agreed on stays.
   */
  set(links: readonly Link[], carries: (clusterId: string) => boolean): void {
    const wanted = new Map(links.map(link => [link.site.id, link]));
    for (const [id, entry] of this.#entries) {
      if (wanted.has(id)) continue;
      clearTimers(entry);
      this.#entries.delete(id);
      this.#changedKeys.delete(id);
    }
    for (const [id, link] of wanted) {
      const entry = this.#entries.get(id);
      if (entry !== undefined) {
        entry.link = link;
        if (link.role !== 'direct') entry.path = 'direct';
        this.#forgetKey(id, link);
        continue;
      }
      this.#entries.set(id, {
        link,
        meter: new LinkMeter(),
        path: link.role !== 'direct' || carries(id) ? 'direct' : 'relayed',
        changedAt: this.#now(),
        otherIsGood: false,
        knowsNext: undefined,
        proposals: new Map(),
        scheduled: new Map(),
      });
    }
  }

  /** Clusters with a tunnel of their own whose packets go by the hub for now. */
  get relayed(): ReadonlySet<string> {
    return new Set([...this.#entries].filter(([, { path }]) => path === 'relayed').map(([id]) => id));
  }

  /** Clusters that do not answer. */
  get dead(): ReadonlySet<string> {
    return new Set(
      [...this.#entries].filter(([, { meter }]) => meter.figures.state === 'Failed').map(([id]) => id),
    );
  }

  get changedKeys(): ReadonlyMap<string, string> {
    return new Map([...this.#changedKeys].map(([id, { key }]) => [id, key]));
  }

  figures(): ReadonlyMap<string, LinkFigures & { readonly path: Path }> {
    return new Map([...this.#entries].map(([id, { meter, path }]) => [id, { ...meter.figures, path }]));
  }

  /** Our own next key, which the others are asked about. */
  set nextKey(key: string | undefined) {
    this.#nextKey = key === undefined ? undefined : keyFingerprint(key).toString('hex');
  }

  /**
   * Clusters that do not know our next key yet, and may still: those that do not answer are waited for as long as
   * {@link patience} probes.
   */
  get unaware(): readonly string[] {
    return [...this.#entries]
      .filter(([, { meter, knowsNext }]) => {
        const { state, lostInRow } = meter.figures;
        return lostInRow < patience && (state !== 'Connected' || knowsNext !== this.#nextKey);
      })
      .map(([id]) => id);
  }

  /** Sends a probe to everybody, and judges those before. To be called once an interval, or when something happened. */
  probe(): void {
    const now = this.#now();
    const seq = ++this.#seq;
    for (const [id, entry] of this.#entries) {
      const before = entry.meter.figures.state;
      entry.meter.sent(seq, now);
      const { state, lostInRow } = entry.meter.figures;
      if (lostInRow > 0 && entry.link.dial !== undefined) this.#options.onStale?.(id);
      if (state === 'Failed') this.#use(id, entry, 'relayed');
      if (state !== before) this.#options.onState?.(id, entry.meter.figures);
      this.#proposeDirect(id, entry, now);
      this.#options.send(id, this.#probe(entry, 'probe', seq, now));
    }
    for (const [id, { at }] of this.#changedKeys) {
      const answered = this.#entries.get(id)?.meter.figures.answeredAt ?? 0;
      if (now - at > keyTrialMs && answered < at) this.#dropKey(id);
    }
  }

  /** Sends everybody a probe that is not counted, so that a tunnel whose key changed is made now and not at the next one. */
  poke(): void {
    const now = this.#now();
    for (const [id, entry] of this.#entries) this.#options.send(id, this.#probe(entry, 'probe', 0, now));
  }

  /** What a cluster sent; its address inside the tunnel proves who it is. */
  receive(id: string, message: LinkMessage): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    if ('seq' in message) this.#heard(id, entry, message);
    else this.#together(id, entry, message);
  }

  /**
   * Tells everybody, again and again, that our key changes; resolves when the time has come.
   *
   * @returns those that did not agree: their packets stop until they read the new key on our Peer.
   */
  async announceKey(key: string): Promise<readonly string[]> {
    const fingerprint = keyFingerprint(key).toString('hex');
    const waiting = new Map<string, Entry>();
    for (const [id, entry] of this.#entries) {
      if (entry.meter.figures.state !== 'Connected') continue;
      this.#propose(id, entry, 'key', fingerprint);
      waiting.set(id, entry);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    setTimeout(resolve, waiting.size === 0 ? 0 : countdownMs);
    await promise;
    const silent = [...waiting]
      .filter(([, { proposals }]) => !proposals.get('key')?.agreed)
      .map(([id]) => id);
    for (const entry of waiting.values()) endProposal(entry, 'key');
    return silent;
  }

  close(): void {
    for (const entry of this.#entries.values()) clearTimers(entry);
    this.#entries.clear();
  }

  #heard(id: string, entry: Entry, message: ProbeMessage): void {
    const now = this.#now();
    entry.otherIsGood = message.isGood;
    entry.knowsNext = message.knows;
    if (message.type === 'probe') {
      this.#options.send(id, this.#probe(entry, 'reply', message.seq, message.at));
    } else {
      const before = entry.meter.figures.state;
      entry.meter.answered(message.seq, message.at, now);
      if (entry.meter.figures.state !== before) this.#options.onState?.(id, entry.meter.figures);
    }
    // What was on its way when both changed says nothing.
    const isSettled = now - entry.changedAt > this.#options.intervalMs && !entry.scheduled.has('direct');
    if (message.path === 'relayed' && entry.path === 'direct' && isSettled) this.#use(id, entry, 'relayed');
    // Who has no other way never proposes, and never changes.
    const isLeft = now - entry.changedAt > 5 * this.#options.intervalMs && !entry.scheduled.has('direct');
    if (message.path === 'direct' && entry.path === 'relayed' && isLeft && isGood(entry)) {
      this.#use(id, entry, 'direct');
    }
  }

  #probe(entry: Entry, type: 'probe' | 'reply', seq: number, at: number): ProbeMessage {
    const { nextKey } = entry.link.site;
    return {
      type,
      seq,
      at,
      path: entry.path,
      isGood: isGood(entry),
      ...(nextKey !== undefined && { knows: keyFingerprint(nextKey).toString('hex') }),
    };
  }

  #proposeDirect(id: string, entry: Entry, now: number): void {
    const mayBegin = entry.path === 'relayed' && this.#options.self < id && !entry.proposals.has('direct');
    if (!mayBegin || !isGood(entry) || !entry.otherIsGood) return;
    if (now - entry.changedAt < this.#options.intervalMs) return;
    this.#propose(id, entry, 'direct');
  }

  #propose(id: string, entry: Entry, what: What, key?: string): void {
    endProposal(entry, what);
    const endsAt = this.#now() + countdownMs;
    const say = () => {
      const inMs = Math.round(endsAt - this.#now());
      if (inMs > 0) {
        this.#options.send(id, { type: 'together', what, inMs, ...(key !== undefined && { key }) });
        return;
      }
      if (what === 'key') return; // Ended by who announced it.
      const agreed = entry.proposals.get(what)?.agreed ?? false;
      endProposal(entry, what);
      if (agreed) this.#use(id, entry, 'direct');
    };
    entry.proposals.set(what, { agreed: false, timer: setInterval(say, repeatMs) });
    say();
  }

  #together(id: string, entry: Entry, message: TogetherMessage): void {
    const { what } = message;
    if (message.type === 'agreed') {
      const proposal = entry.proposals.get(what);
      if (proposal !== undefined) proposal.agreed = true;
      return;
    }
    const agree = () => this.#options.send(id, { ...message, type: 'agreed' });
    if (what === 'key') {
      const { nextKey } = entry.link.site;
      const isKnown = nextKey !== undefined && keyFingerprint(nextKey).toString('hex') === message.key;
      if (!isKnown) return;
      agree();
      this.#schedule(entry, what, message.inMs + drainMs, () => {
        this.#changedKeys.set(id, { key: nextKey, at: this.#now() });
        this.#options.onChange();
      });
      return;
    }
    // Only the one with the smaller id begins this.
    if (id > this.#options.self || !isGood(entry)) return;
    agree();
    if (entry.path === 'direct' || entry.link.role !== 'direct') return;
    this.#schedule(entry, what, message.inMs, () => this.#use(id, entry, 'direct'));
  }

  /** The first word counts; those after it say the same. */
  #schedule(entry: Entry, what: What, ms: number, work: () => void): void {
    if (entry.scheduled.has(what)) return;
    const timer = setTimeout(() => {
      entry.scheduled.delete(what);
      work();
    }, ms);
    entry.scheduled.set(what, timer);
  }

  #use(id: string, entry: Entry, path: Path): void {
    if (entry.path === path || entry.link.role !== 'direct' || this.#entries.get(id) !== entry) return;
    entry.path = path;
    entry.changedAt = this.#now();
    this.#options.onChange();
  }

  /** The Peer says the key now, or its cluster gave it up. */
  #forgetKey(id: string, { site }: Link): void {
    const changed = this.#changedKeys.get(id);
    if (changed !== undefined && (site.key === changed.key || site.nextKey !== changed.key)) {
      this.#changedKeys.delete(id);
    }
  }

  #dropKey(id: string): void {
    this.#changedKeys.delete(id);
    this.#options.onChange();
  }
}

function isGood({ meter }: Entry): boolean {
  const { state, goodInRow } = meter.figures;
  return state === 'Connected' && goodInRow >= goodUntilUsed;
}

function endProposal(entry: Entry, what: What): void {
  clearInterval(entry.proposals.get(what)?.timer);
  entry.proposals.delete(what);
}

function clearTimers(entry: Entry): void {
  for (const what of ['direct', 'key'] as const) endProposal(entry, what);
  for (const timer of entry.scheduled.values()) clearTimeout(timer);
  entry.scheduled.clear();
}
