import { isInterfaceName } from './interface-name.ts';
import type { SwitchPort } from './node-switch.ts';
import type { ObservedLink } from './observed-nic.ts';

export interface OrphanInput {
  /** All ports of ours. */
  readonly ports: readonly SwitchPort[];
  readonly hasPort: (name: string) => boolean;
  /** The node's devices. */
  readonly links: readonly ObservedLink[];
  /** Whether the runtime has such a sandbox. */
  readonly isKnown: (sandboxId: string) => boolean;
  /** Devices that have no port yet and will. */
  readonly kept: ReadonlySet<string>;
}

/**
 * Ports and devices of ours that belong to no sandbox, by their common name. Only to be asked when the runtime has told
 * of all of its sandboxes.
 */
export function findOrphans({ ports, hasPort, links, isKnown, kept }: OrphanInput): string[] {
  const orphans = new Set<string>();
  for (const { name, sandboxId } of ports) if (!isKnown(sandboxId)) orphans.add(name);
  for (const { name, kind } of links)
    if (kind === 'veth' && isInterfaceName(name) && !hasPort(name) && !kept.has(name)) orphans.add(name);
  return [...orphans];
}
