/**
 * Corefiles of CoreDNS: what is in them, and how zones are forwarded by them. Pure. Nothing outside of our own marked
 * lines is ever changed, and a file that is not understood is refused.
 */

const begin = '# nauti: zones of other clusters, begin';
const end = '# nauti: end';
/** How often the one address is given. */
const triedAs = 3;

/** A server block: its addresses, and the lines within its braces. */
export interface ServerBlock {
  /** As written: `.:53`, `cluster.local:53`, `dns://example.org`. */
  readonly keys: readonly string[];
  /** Each directive with its arguments; what is in braces behind it is left out. */
  readonly directives: readonly (readonly string[])[];
}

/** A Corefile, a ConfigMap, or a change that cannot be made for certain. */
export class NotUnderstood extends Error {
  override readonly name = 'NotUnderstood';
}

/**
 * The server blocks of a Corefile.
 *
 * @throws NotUnderstood
 */
export function parseCorefile(text: string): ServerBlock[] {
  const blocks: ServerBlock[] = [];
  let keys: string[] = [];
  let directives: string[][] = [];
  let depth = 0;
  for (const [i, line] of text.split('\n').entries()) {
    const words = splitLine(line, i + 1);
    if (words.length === 0) continue;
    const closes = words.length === 1 && words[0] === '}';
    if (closes) {
      depth--;
      if (depth < 0)
        throw new NotUnderstood(`Cannot read the Corefile as line ${i + 1} closes what is not open`);
      if (depth > 0) continue;
      blocks.push({ keys, directives });
      [keys, directives] = [[], []];
      continue;
    }
    const opens = words.at(-1) === '{';
    const own = opens ? words.slice(0, -1) : words;
    if (own.includes('{') || own.includes('}')) {
      throw new NotUnderstood(`Cannot read the Corefile as line ${i + 1} has a brace that is not at its end`);
    }
    if (depth === 0) keys.push(...own);
    else if (depth === 1) directives.push(own);
    if (opens) depth++;
    else if (depth === 0 && own[0] === 'import' && keys.length === own.length) keys = [];
    else if (depth === 0 && !line.trimEnd().endsWith(',')) {
      throw new NotUnderstood(`Cannot read the Corefile as line ${i + 1} is outside of a server block`);
    }
  }
  if (depth > 0) throw new NotUnderstood('Cannot read the Corefile as its last server block is not closed');
  return blocks;
}

/** Words of a line, quotes taken off; a comment begins with `#` at the beginning of a word. */
function splitLine(line: string, number: number): string[] {
  const words: string[] = [];
  const pattern = /\s*(?:(#.*$)|"((?:[^"\\]|\\.)*)"|([^\s"]+))/y;
  pattern.lastIndex = 0;
  const trimmed = line.trimEnd();
  while (pattern.lastIndex < trimmed.length) {
    const at = pattern.lastIndex;
    const match = pattern.exec(trimmed);
    if (match === null)
      throw new NotUnderstood(
        `Cannot read the Corefile as line ${number} has an open quote at column ${at + 1}`,
      );
    if (match[1] !== undefined) break;
    words.push(match[2] ?? match[3] ?? '');
  }
  return words;
}

/** The zone of a server block's address: without scheme, port and the dot at the end. */
function zoneOf(key: string): string {
  return key
    .replace(/,$/, '')
    .replace(/^\w+:\/\//, '')
    .replace(/:\d+$/, '')
    .replace(/(.)\.$/, '$1')
    .toLowerCase();
}

/** Our lines, as they are or as they would be. */
function block(zones: readonly string[], address: string, bind: readonly string[] | undefined): string {
  const target = address.includes(':') ? `[${address}]` : address;
  const blocks = zones.map(zone =>
    [
      `${zone}:53 {`,
      '    errors',
      ...(bind === undefined ? [] : [`    ${bind.join(' ')}`]),
      // Behind the address are several servers, which CoreDNS cannot know. When one dies, half of all tries fail for a
      // moment: newer versions make two an address and then answer SERVFAIL (older ones try for 5 s, and do not know the
      // option for more), and after two health checks that fail all is given up.
      `    forward . ${Array(triedAs).fill(target).join(' ')} {`,
      '        max_fails 10',
      '    }',
      '}',
    ].join('\n'),
  );
  return [begin, ...blocks, end].join('\n');
}

/**
 * A Corefile that forwards zones to an address. Where every other server block binds to addresses, as NodeLocal DNS
 * does, ours binds to the same.
 *
 * @throws NotUnderstood where the file cannot be read, does not answer for all names, or has one of the zones already.
 */
export function forwardZones(corefile: string, zones: readonly string[], address: string): string {
  const rest = withoutForwardedZones(corefile);
  const blocks = parseCorefile(rest);
  const root = blocks.find(({ keys }) =>
    keys.some(key => zoneOf(key) === '.' && /(^|[^\d])\.?(:53)?,?$/.test(key)),
  );
  if (root === undefined) {
    throw new NotUnderstood('Cannot change the Corefile as it must have a server block for "." on port 53');
  }
  for (const zone of zones) {
    const taken = blocks.some(({ keys }) => keys.some(key => zoneOf(key) === zone.toLowerCase()));
    if (taken) {
      throw new NotUnderstood(
        `Cannot forward ${zone} as the Corefile must not have a server block for it already`,
      );
    }
  }
  const bind = root.directives.find(([name]) => name === 'bind');
  return `${rest.trimEnd()}\n${block(zones, address, bind)}\n`;
}

/**
 * A Corefile without our lines; one that has none is as it was.
 *
 * @throws NotUnderstood where only one of our two marks is there.
 */
export function withoutForwardedZones(corefile: string): string {
  const from = corefile.indexOf(begin);
  const to = corefile.indexOf(end, Math.max(from, 0));
  if (from < 0 && to < 0) return corefile;
  if (from < 0 || to < 0 || corefile.indexOf(begin, from + 1) >= 0) {
    throw new NotUnderstood(
      'Cannot change the Corefile as one of the lines with which Nauti marks its own is gone',
    );
  }
  return corefile.slice(0, from) + corefile.slice(to + end.length).replace(/^\n/, '');
}

/** ConfigMaps of kube-system that say how a cluster's DNS works, as far as they are there: their data by name. */
export type DnsConfig = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** One value of a ConfigMap that is to be written; undefined takes it away. */
export interface DnsChange {
  readonly configMap: string;
  readonly key: string;
  readonly value: string | undefined;
  /** What it is, for people. */
  readonly what: string;
}

/** Names under which distributions keep CoreDNS's ConfigMap: kubeadm and k3s, RKE2. */
const coreDnsNames = ['coredns', 'rke2-coredns-rke2-coredns'] as const;
/** What k3s (and AKS) import into their Corefile, which they write anew themselves. */
const customName = 'coredns-custom';
const customKey = 'nauti.server';
/** ConfigMaps that are read. */
export const dnsConfigMaps: readonly string[] = [...coreDnsNames, customName, 'node-local-dns', 'kube-dns'];

/**
 * What has to change so that the zones are forwarded to an address, or no longer.
 *
 * | distribution | what is changed |
 * |---|---|
 * | kubeadm, kind | Corefile of `coredns` |
 * | k3s | key `nauti.server` of `coredns-custom`, which its Corefile imports |
 * | RKE2 | Corefile of `rke2-coredns-rke2-coredns` |
 * | GKE (kube-dns) | `stubDomains` of `kube-dns` |
 * | NodeLocal DNS, beside one of these | Corefile of `node-local-dns` too, as pods ask that first |
 *
 * @param address undefined takes the zones out again.
 * @throws NotUnderstood where nothing that is known is there, or it is not understood.
 */
export function planDns(
  config: DnsConfig,
  zones: readonly string[],
  address: string | undefined,
): DnsChange[] {
  const changes: DnsChange[] = [];
  const edit = (configMap: string, key: string, what: string) => {
    const before = config[configMap]?.[key] ?? '';
    const value =
      address === undefined ? withoutForwardedZones(before) : forwardZones(before, zones, address);
    if (value !== before) changes.push({ configMap, key, value, what });
  };
  const coreDns = coreDnsNames.find(name => config[name]?.Corefile !== undefined);
  const nodeLocal = config['node-local-dns']?.Corefile !== undefined;
  if (coreDns !== undefined && importsCustom(config[coreDns]?.Corefile ?? '')) {
    changes.push(...planCustom(config, config[coreDns]?.Corefile ?? '', zones, address));
  } else if (coreDns !== undefined) {
    edit(coreDns, 'Corefile', 'Corefile of CoreDNS');
  } else if (config['kube-dns'] !== undefined) {
    changes.push(...planStubDomains(config['kube-dns'].stubDomains, zones, address));
  } else if (!nodeLocal) {
    throw new NotUnderstood(
      `Cannot find the DNS of the cluster as one of the ConfigMaps ${[...coreDnsNames, 'kube-dns'].join(', ')} must be in kube-system`,
    );
  }
  if (nodeLocal) edit('node-local-dns', 'Corefile', 'Corefile of NodeLocal DNS');
  return changes;
}

function importsCustom(corefile: string): boolean {
  return /^\s*import\s+\/etc\/coredns\/custom\/\*\.server\s*$/m.test(corefile);
}

function planCustom(
  config: DnsConfig,
  corefile: string,
  zones: readonly string[],
  address: string | undefined,
): DnsChange[] {
  const what = 'server blocks that the Corefile of CoreDNS imports';
  const change = { configMap: customName, key: customKey, what };
  const custom = config[customName] ?? {};
  if (address === undefined) return custom[customKey] === undefined ? [] : [{ ...change, value: undefined }];
  // Checks that no other file of it has the zones.
  const others = Object.entries(custom).filter(([key]) => key.endsWith('.server') && key !== customKey);
  forwardZones([corefile, ...others.map(([, text]) => text)].join('\n'), zones, address);
  const value = `${block(zones, address, undefined)}\n`;
  return custom[customKey] === value ? [] : [{ ...change, value }];
}

function planStubDomains(
  text: string | undefined,
  zones: readonly string[],
  address: string | undefined,
): DnsChange[] {
  const before = parseStubDomains(text ?? '{}');
  const after: Record<string, readonly string[]> = { ...before };
  for (const zone of zones) {
    if (address === undefined) delete after[zone];
    else if (before[zone] !== undefined && before[zone].join() !== address) {
      throw new NotUnderstood(
        `Cannot forward ${zone} as stubDomains must not have it already: current value is ${JSON.stringify(before[zone])}`,
      );
    } else after[zone] = [address];
  }
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  const empty = Object.keys(after).length === 0;
  const value = empty ? undefined : `${JSON.stringify(after)}\n`;
  return [{ configMap: 'kube-dns', key: 'stubDomains', value, what: 'stub domains of kube-dns' }];
}

function parseStubDomains(text: string): Record<string, readonly string[]> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new NotUnderstood('Cannot read stubDomains of kube-dns as it must be JSON', { cause });
  }
  const isMap =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every(list => Array.isArray(list) && list.every(item => typeof item === 'string'));
  if (!isMap)
    throw new NotUnderstood('Cannot read stubDomains of kube-dns as it must be a map of lists of addresses');
  return value as Record<string, readonly string[]>;
}
