import type { Uuid } from 'ovsdb-client';
import type { AddressBook } from './address-book.ts';
import { claimantOf, type MayBeGateway } from './claimant.ts';
import {
  type DesiredPort,
  desiredPort,
  isAsDesired,
  isStatefulPort,
  type PortRow,
  portName,
} from './desired-port.ts';
import { isAlive, type PortOwner } from './port-owner.ts';
import type { Refusal } from './refusal.ts';

/** What is known when ports are planned. */
export interface PlanInput {
  /** A pod or node. */
  owner(key: string): PortOwner | undefined;
  /** Our ports that are for it; more than one only where somebody meddled. */
  portsOf(key: string): readonly PortRow[];
  /** Whoever's port has a name. */
  portNamed(name: string): PortRow | undefined;
  readonly mayBeGateway: MayBeGateway;
  readonly book: AddressBook;
  /** Of the book's clock. */
  readonly now: number;
  /** Epoch milliseconds, to judge deletions by. */
  readonly wallNow: number;
}

/** What must happen in OVN, and what is to be told. */
export interface PortPlan {
  readonly create: readonly { readonly key: string; readonly port: DesiredPort }[];
  readonly repair: readonly { readonly key: string; readonly uuid: Uuid; readonly port: DesiredPort }[];
  readonly remove: readonly { readonly key: string; readonly uuid: Uuid; readonly isStateful: boolean }[];
  /** Pods and nodes that are gone; their addresses are released when the rest is done. */
  readonly release: readonly string[];
  readonly refused: readonly { readonly key: string; readonly refusal: Refusal }[];
  /** Those whose ports are, or will be, as they should be. */
  readonly served: readonly string[];
}

/** Whether OVN is as it should be. */
export function isDone({ create, repair, remove }: PortPlan): boolean {
  return create.length + repair.length + remove.length === 0;
}

/**
 * Plans the ports of some pods and nodes: a pure function, but that the book gives addresses out. The plan of one depends on
 * nothing that came before: making it again after a failure, with the same book, gives the same.
 */
export function planPorts(keys: readonly string[], input: PlanInput): PortPlan {
  const plan = { create: [], repair: [], remove: [], release: [], refused: [], served: [] } as {
    -readonly [K in keyof PortPlan]: PortPlan[K][number][];
  };
  for (const key of keys) {
    const owner = input.owner(key);
    const ports = input.portsOf(key);
    if (!isAlive(owner, input.wallNow)) {
      for (const port of ports) plan.remove.push(removal(key, port));
      plan.release.push(key);
      continue;
    }
    const assignment = input.book.assign(claimantOf(owner, input.mayBeGateway), input.now);
    if ('reason' in assignment) {
      for (const port of ports) plan.remove.push(removal(key, port));
      plan.refused.push({ key, refusal: assignment });
      continue;
    }
    const port = desiredPort(key, assignment, owner.isStateful);
    const [own, ...others] = [...ports].sort(
      (a, b) => Number(b.name === port.name) - Number(a.name === port.name),
    );
    for (const other of others) plan.remove.push(removal(key, other));
    const holder = input.portNamed(portName(key));
    if (holder !== undefined && holder._uuid !== own?._uuid && !others.includes(holder)) {
      plan.refused.push({ key, refusal: nameTaken(port.name) });
      continue;
    }
    plan.served.push(key);
    if (own === undefined) plan.create.push({ key, port });
    else if (!isAsDesired(own, port)) plan.repair.push({ key, uuid: own._uuid, port });
  }
  return plan;
}

function removal(key: string, port: PortRow): PortPlan['remove'][number] {
  return { key, uuid: port._uuid, isStateful: isStatefulPort(port) };
}

function nameTaken(name: string): Refusal {
  return {
    reason: 'PortNameTaken',
    note: `Cannot make the logical switch port ${name} as its name must be free: a port that is not Nauti's has it`,
    retryAfterMs: 10_000,
  };
}
