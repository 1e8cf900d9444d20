/** Who may have a port, and addresses: a pod, or a node. */
export interface PortOwner {
  /** `namespace/name` of a pod; the name of a node, which has no slash. */
  readonly key: string;
  readonly namespace?: string;
  readonly name: string;
  readonly uid: string;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** It needs no port any more, though it is there. */
  readonly isFinished: boolean;
  /** When a deletion that hangs counts as done, epoch milliseconds; absent where nobody deletes it. */
  readonly goneAt?: number;
  readonly isLabelledGateway: boolean;
  /** It is labelled as one of several gateways. */
  readonly isCandidate?: boolean;
  /** It comes again under the same name. */
  readonly isStateful: boolean;
  /** Those of an allocation that it has. */
  readonly annotations: Readonly<Record<string, string>>;
}

export function isNodeKey(key: string): boolean {
  return !key.includes('/');
}

/** Whether an owner holds an address, at a time in epoch milliseconds. */
export function isAlive<T extends PortOwner>(owner: T | undefined, now: number): owner is T {
  return owner !== undefined && !owner.isFinished && (owner.goneAt === undefined || now < owner.goneAt);
}

/** A cache, as far as it is asked here. */
interface Lookup<T> {
  get(key: string): T | undefined;
  values(): Iterable<T>;
}

/** All pods and nodes. */
export class PortOwners {
  readonly #pods: Lookup<PortOwner>;
  readonly #nodes: Lookup<PortOwner>;

  constructor(pods: Lookup<PortOwner>, nodes: Lookup<PortOwner>) {
    this.#pods = pods;
    this.#nodes = nodes;
  }

  get(key: string): PortOwner | undefined {
    return isNodeKey(key) ? this.#nodes.get(key) : this.#pods.get(key);
  }

  *values(): Generator<PortOwner> {
    yield* this.#nodes.values();
    yield* this.#pods.values();
  }
}
