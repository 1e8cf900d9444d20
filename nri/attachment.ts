import { interfaceName, isInterfaceName } from './interface-name.ts';
import { type NicPlan, podDevice } from './nic-plan.ts';
import { isNoRepair, type NicRepair, repairNic } from './nic-repair.ts';
import type { SwitchPort } from './node-switch.ts';
import type { ObservedLink, ObservedNamespace } from './observed-nic.ts';
import type { Sandbox } from './sandbox.ts';

/** What must happen to a pod whose NIC may be there already. */
export type Attachment =
  | {
      /** The NIC is there: at most something of it is put right. */
      readonly kind: 'keep';
      readonly device: string;
      readonly inPod: NicRepair;
      /** For `ip -batch` on the node. */
      readonly onHost: readonly string[];
      readonly port: 'keep' | 'add';
      /** Ports of the sandbox that are too many. */
      readonly remove: readonly string[];
    }
  | {
      /** There is none that could be kept. */
      readonly kind: 'make';
      readonly remove: readonly string[];
      /** Whether the pod has a device of the name. */
      readonly isInTheWay: boolean;
    };

export interface AttachmentInput {
  readonly sandbox: Sandbox;
  readonly plan: NicPlan;
  readonly pod: ObservedNamespace;
  readonly host: ObservedNamespace;
  /** The ports of this sandbox. */
  readonly ports: readonly SwitchPort[];
  /** Whether the switch has any port of this name. */
  readonly hasPort: (name: string) => boolean;
}

/**
 * Adopts, repairs, or makes anew.
 *
 * A pod that may make devices could make one that looks like the end of another pod's veth: the node's end counts only
 * where its port is this sandbox's, or, without a port, where its name is made of this sandbox.
 */
export function decideAttachment({ sandbox, plan, pod, host, ports, hasPort }: AttachmentInput): Attachment {
  const inPod = pod.links.find(({ name }) => name === podDevice);
  const end = inPod && hostEnd(inPod, host);
  const port = ports.find(({ name }) => name === end?.name);
  const isOurs =
    end !== undefined &&
    (port !== undefined ? !port.isDead : end.name === interfaceName(sandbox) && !hasPort(end.name));
  if (end === undefined || !isOurs) {
    return { kind: 'make', remove: ports.map(({ name }) => name), isInTheWay: inPod !== undefined };
  }
  const onHost: string[] = [];
  if (end.mtu !== plan.mtu) onHost.push(`link set dev ${end.name} mtu ${plan.mtu}`);
  if (end.takesArp) onHost.push(`link set dev ${end.name} arp off`);
  if (!end.isUp) onHost.push(`link set dev ${end.name} up`);
  return {
    kind: 'keep',
    device: end.name,
    inPod: repairNic(plan, pod),
    onHost,
    port: port === undefined ? 'add' : 'keep',
    remove: ports.filter(({ name }) => name !== end.name).map(({ name }) => name),
  };
}

/** The device of the node that is the other end of a pod's. */
function hostEnd(inPod: ObservedLink, host: ObservedNamespace): ObservedLink | undefined {
  if (inPod.kind !== 'veth') return undefined;
  return host.links.find(
    ({ name, kind, index, peerIndex }) =>
      kind === 'veth' && isInterfaceName(name) && index === inPod.peerIndex && peerIndex === inPod.index,
  );
}

export function isNothingToDo(attachment: Attachment): boolean {
  return (
    attachment.kind === 'keep' &&
    isNoRepair(attachment.inPod) &&
    attachment.onHost.length === 0 &&
    attachment.port === 'keep' &&
    attachment.remove.length === 0
  );
}
