import type { NicPlan } from './nic-plan.ts';
import { podKey, type Sandbox } from './sandbox.ts';

/** How far a sandbox's NIC is. */
export type SeatState =
  /** Made just now by the runtime: it cannot have a NIC. */
  | { readonly kind: 'new' }
  /** It was there before us, or something went wrong: look first. */
  | { readonly kind: 'unseen' }
  | { readonly kind: 'attached'; readonly device: string; readonly plan: NicPlan }
  /** It gets no NIC as it is; what is wrong was logged. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** A later sandbox is for the same pod: its port must go before that one has its own. */
  | { readonly kind: 'superseded' }
  | { readonly kind: 'leaving' };

export interface Seat {
  readonly sandbox: Sandbox;
  state: SeatState;
  /** performance.now() of the moment from which the NIC could be made: all was known. */
  readySince?: number;
  /** Whether the pod's start does not wait for it any more. */
  isLate: boolean;
  /** performance.now() since when the switch calls its port dead. */
  deadSince?: number;
}

/** The sandboxes of the node, as the runtime told, and who waits for what becomes of them. */
export class Seats {
  readonly #byId = new Map<string, Seat>();
  readonly #idsByPod = new Map<string, Set<string>>();
  readonly #waiting = new Map<string, Set<() => void>>();

  get(id: string): Seat | undefined {
    return this.#byId.get(id);
  }

  values(): IterableIterator<Seat> {
    return this.#byId.values();
  }

  ofPod(key: string): Seat[] {
    return [...(this.#idsByPod.get(key) ?? [])].flatMap(id => this.#byId.get(id) ?? []);
  }

  add(sandbox: Sandbox, state: SeatState): Seat {
    this.delete(sandbox.id);
    const seat: Seat = { sandbox, state, isLate: state.kind !== 'new' };
    this.#byId.set(sandbox.id, seat);
    const key = podKey(sandbox);
    const ids = this.#idsByPod.get(key) ?? new Set();
    this.#idsByPod.set(key, ids.add(sandbox.id));
    return seat;
  }

  delete(id: string): void {
    const seat = this.#byId.get(id);
    if (seat === undefined) return;
    this.#byId.delete(id);
    const key = podKey(seat.sandbox);
    const ids = this.#idsByPod.get(key);
    ids?.delete(id);
    if (ids?.size === 0) this.#idsByPod.delete(key);
    this.changed(id);
  }

  setState(seat: Seat, state: SeatState): void {
    seat.state = state;
    this.changed(seat.sandbox.id);
  }

  /** Lets those who wait for a sandbox look again. */
  changed(id: string): void {
    for (const look of this.#waiting.get(id) ?? []) look();
  }

  /** Waits until a condition on a sandbox holds. @returns whether it does, when the time is up at the latest. */
  wait(id: string, condition: () => boolean, milliseconds: number): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    if (milliseconds <= 0) return Promise.resolve(false);
    return new Promise(resolve => {
      const waiting = this.#waiting.get(id) ?? new Set();
      this.#waiting.set(id, waiting);
      const end = (result: boolean) => {
        clearTimeout(timer);
        waiting.delete(look);
        if (waiting.size === 0) this.#waiting.delete(id);
        resolve(result);
      };
      const look = () => condition() && end(true);
      const timer = setTimeout(() => end(condition()), milliseconds);
      waiting.add(look);
    });
  }
}
