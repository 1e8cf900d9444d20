/** What a cluster tells the hub of its node agents, in the annotation `nauti.io/node-agents` of its Lease there. */
import { nodeAgentsAnnotation } from './names.ts';
import { integer, objectOf, parserOf, UnreadableError } from './parse.ts';

/** How many of a cluster's node agents learn of the pods of their node in which way. */
export interface NodeAgents {
  /** The container runtime calls them. */
  readonly nri: number;
  /** Out of band: their runtime has no NRI. */
  readonly cri: number;
  /** Have not reached a container runtime yet. */
  readonly none: number;
}

const count = integer(0, 1_000_000);
const subject = `annotation ${nodeAgentsAnnotation}`;
const read = parserOf(subject, objectOf({ nri: count, cri: count, none: count }));

/** The text of the annotation. */
export function formatNodeAgents({ nri, cri, none }: NodeAgents): string {
  return JSON.stringify({ nri, cri, none });
}

/** @throws UnreadableError */
export function parseNodeAgents(text: string): NodeAgents {
  return read(parseJson(text));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UnreadableError('JSON', text, [], subject);
  }
}
