import { isDnsLabel, isDnsSubdomain } from '../api/legal-names.ts';
import { allocationOf } from './allocation.ts';

/** A pod as the container runtime has it: one life of its network namespace. */
export interface Sandbox {
  readonly id: string;
  /** Of the pod, as the kubelet gives it: for pods of a manifest file not the one in the API. */
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Path of its network namespace; undefined on the host's network, or where it is torn down already. */
  readonly netns: string | undefined;
  /** The pod's, as they were when the kubelet made it, as far as they are of an allocation. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** `namespace/name` of the pod: what the API knows it by, but a later pod may have it too. */
export function podKey({ namespace, name }: Pick<Sandbox, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`;
}

/** What the runtime told cannot be a pod. */
export class SandboxError extends Error {
  override readonly name = 'SandboxError';
}

// Legal: hexadecimal ids of containerd and CRI-O, UUIDs, and hashes of manifest files; pod and namespace as Kubernetes has them.
const identifier = /^[a-zA-Z0-9][-a-zA-Z0-9_.]{0,127}$/;

/**
 * @returns what is kept of it: not all of its annotations.
 * @throws SandboxError that names what is not legal: the other end of the socket is trusted with nothing.
 */
export function checkSandbox(sandbox: Sandbox): Sandbox {
  const checks: readonly [string, string, boolean][] = [
    ['id', sandbox.id, identifier.test(sandbox.id)],
    ['uid', sandbox.uid, identifier.test(sandbox.uid)],
    ['namespace', sandbox.namespace, isDnsLabel(sandbox.namespace)],
    ['name', sandbox.name, isDnsSubdomain(sandbox.name)],
  ];
  for (const [field, value, legal] of checks) {
    if (legal) continue;
    throw new SandboxError(
      `Cannot take a sandbox as its ${field} must be legal: current value is ${JSON.stringify(value.slice(0, 300))}`,
    );
  }
  return { ...sandbox, annotations: allocationOf(sandbox.annotations) };
}
