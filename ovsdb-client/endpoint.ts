/** Where a database server listens. */
export type Endpoint =
  | { readonly kind: 'tcp' | 'ssl'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/**
 * Reads one remote as OVS writes it: `tcp:198.51.100.7:6641`, `tcp:[fd00::7]:6641`, `ssl:ovn-nb.example:6641`,
 * `unix:/run/ovn/ovnnb_db.sock`. The port may be left out for `tcp` and `ssl`; it is 6640 then.
 *
 * @returns undefined for text that is not a remote.
 */
export function parseEndpoint(text: string): Endpoint | undefined {
  const unix = /^unix:(.+)$/.exec(text);
  if (unix?.[1] !== undefined) return unix[1].includes('\0') ? undefined : { kind: 'unix', path: unix[1] };
  const match = /^(tcp|ssl):(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const host = match[2] ?? match[3] ?? '';
  const port = match[4] === undefined ? 6640 : Number(match[4]);
  if (port === 0 || port > 65_535) return undefined;
  return { kind: match[1] === 'ssl' ? 'ssl' : 'tcp', host, port };
}

/** Reads remotes separated by commas; undefined where one of them, or the list, is not legal. */
export function parseEndpoints(text: string): readonly Endpoint[] | undefined {
  const endpoints = text.split(',').map(part => parseEndpoint(part.trim()));
  return endpoints.every(endpoint => endpoint !== undefined) ? endpoints : undefined;
}

export function formatEndpoint(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return `unix:${endpoint.path}`;
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
  return `${endpoint.kind}:${host}:${endpoint.port}`;
}
