import { Argument, InvalidArgumentError } from 'commander';
import type { Parser } from '../process/options.ts';
import { clusterId } from '../process/parsers.ts';

/** Lets commander read a value by one of our parsers. */
export function parsedBy<T>(parser: Parser<T>): (text: string) => T {
  return text => {
    const value = parser.parse(text);
    if (value === undefined) throw new InvalidArgumentError(`It must be ${parser.expected}.`);
    return value;
  };
}

export function clusterArgument(): Argument {
  return new Argument('<CLUSTER>', 'id of the cluster').argParser(parsedBy(clusterId));
}
