/** What a chart's values.yaml documents: each value with its default and the comment above it. */
import { isMap, isScalar, type Pair, parseDocument } from 'yaml';

export interface DocumentedValue {
  /** Such as `tunnel.cidr`. */
  readonly key: string;
  /** As JSON. */
  readonly default: string;
  /** Empty where values.yaml has none. */
  readonly description: string;
}

/** The leaves of a values.yaml; a map that is empty by default is one. */
export function documentedValues(text: string): DocumentedValue[] {
  const { contents } = parseDocument(text);
  if (!isMap(contents)) throw new Error('values.yaml must be a map');
  return contents.items.flatMap((pair, index) =>
    leaves(pair, '', index === 0 ? contents.commentBefore : null),
  );
}

function leaves(pair: Pair, prefix: string, firstComment: string | null | undefined): DocumentedValue[] {
  const { key, value } = pair;
  if (!isScalar(key)) throw new Error('a key of values.yaml must be a text');
  const name = `${prefix}${key.value}`;
  const comment = key.commentBefore ?? firstComment ?? '';
  const description = /^ -- ([\s\S]*)$/m.exec(comment)?.[1];
  if (description === undefined && isMap(value) && value.items.length > 0) {
    return value.items.flatMap((child, index) =>
      leaves(child, `${name}.`, index === 0 ? value.commentBefore : null),
    );
  }
  return [
    {
      key: name,
      default: JSON.stringify((value as { toJSON(): unknown }).toJSON()),
      description: (description ?? '').replaceAll(/\s+/g, ' ').trim(),
    },
  ];
}

/** The table of a chart's README.md. */
export function valuesTable(values: readonly DocumentedValue[]): string {
  const rows = values.map(
    value => `| \`${value.key}\` | \`${value.default}\` | ${value.description.replaceAll('|', '\\|')} |`,
  );
  return ['| value | default | what it is |', '| --- | --- | --- |', ...rows, ''].join('\n');
}

/** Tables with and without columns that are aligned are the same. */
export function withoutAlignment(markdown: string): string {
  return markdown.replaceAll(/ +/g, ' ').replaceAll(/-{3,}/g, '---');
}
