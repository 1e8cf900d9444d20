/** Which Debian mirror this machine uses. Pure; so that the lab uses the same. */

/**
 * The first mirror of Debian itself, not of its security updates, in the machine's apt sources.
 *
 * @param sources texts of sources.list (one line a source) and *.sources (deb822) files.
 * @returns undefined where there is none; mmdebstrap has a default of its own.
 */
export function findDebianMirror(sources: readonly string[], codename: string): string | undefined {
  for (const text of sources) {
    for (const entry of [...oneLineEntries(text), ...deb822Entries(text)]) {
      if (entry.suites.includes(codename) && entry.components.includes('main')) return entry.uri;
    }
  }
  return undefined;
}

interface SourceEntry {
  readonly uri: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
}

/** `deb [options] URI suite component…` */
function oneLineEntries(text: string): SourceEntry[] {
  return text.split('\n').flatMap(line => {
    const match = /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)$/.exec(line.trim());
    const [, uri, suite, components] = match ?? [];
    if (uri === undefined || suite === undefined || components === undefined) return [];
    return [{ uri, suites: [suite], components: words(components) }];
  });
}

/** Paragraphs of `Types:`, `URIs:`, `Suites:`, `Components:`. */
function deb822Entries(text: string): SourceEntry[] {
  return text.split(/\n\s*\n/).flatMap(paragraph => {
    const field = (name: string) =>
      words(new RegExp(`^${name}:[ \\t]*(.*)$`, 'im').exec(paragraph)?.[1] ?? '');
    const [uri] = field('URIs');
    if (uri === undefined || !field('Types').includes('deb') || field('Enabled')[0] === 'no') return [];
    return [{ uri, suites: field('Suites'), components: field('Components') }];
  });
}

function words(text: string): string[] {
  return text.trim().split(/\s+/).filter(Boolean);
}
