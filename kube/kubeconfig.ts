import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';
import { type ClusterAccess, headerText, parseServer, tlsFrom } from './cluster-access.ts';
import { RereadFile } from './reread-file.ts';

/**
 * Reads kubeconfig files. Legal in a user: client-certificate(-data) with client-key(-data), token, tokenFile,
 * and exec or auth-provider, for which client-node is loaded. Refused, because they would be unsafe or silently
 * ignored: insecure-skip-tls-verify, username and password, impersonation, proxy-url.
 */
export async function readKubeconfig({
  path,
  context,
  environment = process.env,
}: {
  path?: string | undefined;
  context?: string | undefined;
  environment?: Readonly<Record<string, string | undefined>>;
}): Promise<ClusterAccess> {
  const files = locate(path, environment).map(readDocument);
  const contextName = context ?? firstText(files, 'current-context');
  if (contextName === undefined) {
    throw new Error(`Cannot use ${names(files)} as current-context must be set, or a context be given`);
  }
  const chosen = named(files, 'contexts', 'context', contextName);
  const cluster = named(files, 'clusters', 'cluster', chosen.required('cluster'));
  const userName = chosen.text('user');
  const user = userName === undefined ? undefined : named(files, 'users', 'user', userName);
  cluster.refuseTrue('insecure-skip-tls-verify', 'the server is always verified');
  cluster.refuse('proxy-url', 'proxies are not supported');
  for (const field of ['username', 'password', 'as', 'as-uid', 'as-groups', 'as-user-extra']) {
    user?.refuse(field, 'it is not supported');
  }
  const server = parseServer(cluster.required('server'), cluster.nameOf('server'));
  const namespace = chosen.text('namespace');
  if (user?.has('exec') || user?.has('auth-provider')) {
    return pluginAccess({ paths: files.map(file => file.path), contextName, server, namespace });
  }
  const tls = tlsFrom({
    ...pemOrFile(cluster, 'certificate-authority', 'ca'),
    ...(user && pemOrFile(user, 'client-certificate', 'cert')),
    ...(user && pemOrFile(user, 'client-key', 'key')),
    serverName: cluster.text('tls-server-name'),
  });
  return { server, namespace, tls, authorization: bearer(user) };
}

function bearer(user: Section | undefined): ClusterAccess['authorization'] {
  const tokenPath = user?.text('tokenFile');
  // client-go: where both are given, the file wins.
  if (user && tokenPath !== undefined) {
    const file = new RereadFile(user.path(tokenPath), `the token of ${user.nameOf('tokenFile')}`);
    return async renew => `Bearer ${headerText(await file.text(renew))}`;
  }
  const token = user?.text('token');
  if (token === undefined) return async () => undefined;
  const header = `Bearer ${headerText(token)}`;
  return async () => header;
}

/** A user whose credentials come from a program: client-node knows how to run it and when to run it again. */
async function pluginAccess({
  paths,
  contextName,
  server,
  namespace,
}: {
  paths: readonly string[];
  contextName: string;
  server: URL;
  namespace: string | undefined;
}): Promise<ClusterAccess> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const load = () => {
    const loaded = new KubeConfig();
    const [first, ...rest] = paths;
    if (first !== undefined) loaded.loadFromFile(first);
    for (const path of rest) {
      const other = new KubeConfig();
      other.loadFromFile(path);
      loaded.mergeConfig(other, true);
    }
    loaded.setCurrentContext(contextName);
    return loaded;
  };
  let config = load();
  const material = async () => {
    const options: { headers?: Record<string, string>; ca?: unknown; cert?: unknown; key?: unknown } = {
      headers: {},
    };
    await config.applyToHTTPSOptions(options as Parameters<typeof config.applyToHTTPSOptions>[0]);
    return options;
  };
  let current: Awaited<ReturnType<ClusterAccess['tls']>> = {};
  return {
    server,
    namespace,
    async tls() {
      const { ca, cert, key } = await material();
      const next = { ...pem('ca', ca), ...pem('cert', cert), ...pem('key', key) };
      if (JSON.stringify(next) !== JSON.stringify(current)) current = next;
      return current;
    },
    async authorization(renew) {
      if (renew) config = load();
      const { headers = {} } = await material();
      return headers.Authorization ?? headers.authorization;
    },
  };
}

function pem(name: 'ca' | 'cert' | 'key', value: unknown): Record<string, string> {
  return value === undefined || value === null ? {} : { [name]: String(value) };
}

/** `X-data` is base64 and wins over the file `X`, as in client-go. */
function pemOrFile(section: Section, field: string, as: 'ca' | 'cert' | 'key'): Record<string, string> {
  const data = section.text(`${field}-data`);
  if (data !== undefined) {
    const text = Buffer.from(data, 'base64').toString('utf8');
    if (!text.includes('-----BEGIN ')) {
      throw new Error(`Cannot use ${section.nameOf(`${field}-data`)} as it must be base64 of a PEM text`);
    }
    return { [as]: text };
  }
  const path = section.text(field);
  return path === undefined ? {} : { [`${as}File`]: section.path(path) };
}

interface Document {
  readonly path: string;
  readonly content: Readonly<Record<string, unknown>>;
}

function locate(
  path: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  if (path !== undefined) return [path];
  const listed = (environment.KUBECONFIG ?? '').split(delimiter).filter(entry => entry !== '');
  return listed.length > 0 ? listed : [join(environment.HOME ?? homedir(), '.kube', 'config')];
}

function readDocument(path: string): Document {
  const refuse = (why: string, cause?: unknown) =>
    new Error(`Cannot use the kubeconfig ${path} as it must be ${why}`, { cause });
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw refuse(`readable: ${(error as Error).message}`, error);
  }
  let content: unknown;
  try {
    content = parse(text);
  } catch {
    // The parser's message quotes the line, which may hold a key.
    throw refuse('YAML or JSON');
  }
  if (!isRecord(content)) throw refuse('a YAML or JSON object');
  return { path, content };
}

/** One named entry of clusters, contexts or users. Its values are secrets: errors name fields, never values. */
class Section {
  readonly #file: Document;
  readonly #where: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(file: Document, where: string, fields: Readonly<Record<string, unknown>>) {
    this.#file = file;
    this.#where = where;
    this.#fields = fields;
  }

  nameOf(field: string): string {
    return `${this.#where}.${field} of ${this.#file.path}`;
  }

  has(field: string): boolean {
    return this.#fields[field] !== undefined && this.#fields[field] !== null;
  }

  /** Undefined where the field is absent or empty, as client-go does. */
  text(field: string): string | undefined {
    const value = this.#fields[field];
    if (value === undefined || value === null || value === '') return undefined;
    if (typeof value !== 'string') throw new Error(`Cannot use ${this.nameOf(field)} as it must be a text`);
    return value;
  }

  required(field: string): string {
    const value = this.text(field);
    if (value === undefined) throw new Error(`Cannot use ${this.nameOf(field)} as it must be given`);
    return value;
  }

  refuse(field: string, why: string): void {
    const value = this.#fields[field];
    if (value !== undefined && value !== null && value !== '') {
      throw new Error(`Cannot use ${this.nameOf(field)} as it must be absent: ${why}`);
    }
  }

  refuseTrue(field: string, why: string): void {
    if (this.#fields[field] !== false) this.refuse(field, why);
  }

  /** Paths in a kubeconfig are relative to the file that they stand in. */
  path(value: string): string {
    return resolve(dirname(this.#file.path), value);
  }
}

/** The first file that defines an entry wins, as in kubectl. */
function named(files: readonly Document[], list: string, field: string, name: string): Section {
  for (const file of files) {
    const entries = file.content[list];
    if (!Array.isArray(entries)) continue;
    for (const entry of entries) {
      if (!isRecord(entry) || entry.name !== name) continue;
      const fields = entry[field] ?? {};
      const where = `${list}[${JSON.stringify(name)}].${field}`;
      if (!isRecord(fields)) throw new Error(`Cannot use ${where} of ${file.path} as it must be an object`);
      return new Section(file, where, fields);
    }
  }
  throw new Error(`Cannot use ${names(files)} as ${list} must have an entry named ${JSON.stringify(name)}`);
}

function firstText(files: readonly Document[], field: string): string | undefined {
  for (const file of files) {
    const value = file.content[field];
    if (typeof value === 'string' && value !== '') return value;
  }
  return undefined;
}

function names(files: readonly Document[]): string {
  return `the kubeconfig ${files.map(file => file.path).join(', ')}`;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
