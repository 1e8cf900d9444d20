import type { IncomingMessage } from 'node:http';
import type { Registry } from 'prom-client';
import type { KubeObject } from '../api/meta.ts';
import { apiVersion, type Resource } from '../api/resource.ts';
import { type Logger, silentLogger } from '../process/log.ts';
import { asObject, asPage, invalidAnswer } from './answer.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { errorOfAnswer, KubeError } from './error.ts';
import { type KubeMetrics, kubeMetrics } from './metrics.ts';
import { type ListOptions, type Page, readPages } from './pages.ts';
import {
  collectionPath,
  type ObjectReference,
  objectPath,
  type Query,
  queryString,
  referenceOf,
  writePath,
} from './path.ts';
import { ensureTerm } from './term.ts';
import { describe, type Outgoing, readBody, Transport } from './transport.ts';

export { KubeError } from './error.ts';
export type { ListOptions, Page } from './pages.ts';
export type { ObjectReference } from './path.ts';

export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Begins with `/api/` or `/apis/`; whoever puts names into it escapes them. */
  readonly path: string;
  readonly query?: Query | undefined;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** `application/json` where it is not given. */
  readonly contentType?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WriteOptions {
  readonly fieldManager?: string | undefined;
  readonly subresource?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ApplyOptions extends WriteOptions {
  readonly fieldManager: string;
  /** Take fields over from other managers instead of failing with a Conflict. */
  readonly force?: boolean | undefined;
}

export interface PatchOptions extends WriteOptions {
  readonly contentType:
    | 'application/json-patch+json'
    | 'application/merge-patch+json'
    | 'application/strategic-merge-patch+json';
  readonly body: unknown;
}

export interface DeleteOptions {
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string } | undefined;
  readonly propagationPolicy?: 'Foreground' | 'Background' | 'Orphan' | undefined;
  readonly signal?: AbortSignal | undefined;
}

const requestTimeoutMs = 30_000;
/** A page of the largest objects that etcd takes (1.5 MB each) may be long; more than this is not a list. */
const maxBodyBytes = 256 * 1024 * 1024;
const maxErrorBytes = 1024 * 1024;
/**
 * The verbs of the Kubernetes API on plain JSON objects.
 *
 * Every method rejects with {@link KubeError} for what the server refused or did not answer, with the signal's reason
 * when it is aborted, and with TypeError for a request that could not mean anything. Nothing is retried here but a
 * dead pooled connection and, once, a 401 with a renewed credential: backoff is the caller's (cache, controller).
 */
export class KubeClient {
  readonly #transport: Transport;
  readonly #log: Logger;
  readonly #userAgent: string;
  readonly #metrics: KubeMetrics | undefined;

  constructor(
    access: ClusterAccess,
    { log, userAgent = 'nauti', metrics }: { log?: Logger; userAgent?: string; metrics?: Registry } = {},
  ) {
    this.#transport = new Transport(access);
    this.#log = log ?? silentLogger();
    this.#userAgent = userAgent;
    this.#metrics = metrics && kubeMetrics(metrics);
  }

  /** Any request; undefined for an empty answer. */
  async request(request: KubeRequest): Promise<unknown> {
    return (await this.#exchange(request)).value;
  }

  /** Undefined where there is no such object. */
  async get(
    resource: Resource,
    reference: ObjectReference,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<KubeObject | undefined> {
    const path = objectPath(resource, reference);
    try {
      return asObject(await this.request({ method: 'GET', path, signal }), path);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /**
   * All objects of one moment, page by page; the resourceVersion is that moment's, and the same on every page.
   *
   * @throws KubeError with status 410 where reading took so long that the moment is forgotten: begin again.
   */
  listPages(resource: Resource, options: ListOptions = {}): AsyncGenerator<Page, void, undefined> {
    const path = collectionPath(resource, options.namespace);
    return readPages(options, async (query, signal) => {
      const { value, bytes } = await this.#exchange({ method: 'GET', path, query, signal });
      return { ...asPage(value, path), bytes };
    });
  }

  /** @throws KubeError 409 `AlreadyExists` where it exists. */
  async create(resource: Resource, object: KubeObject, options: WriteOptions = {}): Promise<KubeObject> {
    const path =
      options.subresource === undefined
        ? writePath(resource, object.metadata.namespace)
        : objectPath(resource, referenceOf(object), options.subresource);
    return await this.#write('POST', path, withType(resource, object), options);
  }

  /** Replaces an object; with `metadata.resourceVersion`, @throws KubeError 409 `Conflict` where it changed since. */
  async update(resource: Resource, object: KubeObject, options: WriteOptions = {}): Promise<KubeObject> {
    const path = objectPath(resource, referenceOf(object), options.subresource);
    return await this.#write('PUT', path, withType(resource, object), options);
  }

  /** Server-side apply: the manager owns the fields of `object`, and gives up those that it applied before. */
  async apply(resource: Resource, object: KubeObject, options: ApplyOptions): Promise<KubeObject> {
    const path = objectPath(resource, referenceOf(object), options.subresource);
    return asObject(
      await this.#exchange(
        {
          method: 'PATCH',
          path,
          query: { fieldManager: options.fieldManager, force: options.force },
          body: withType(resource, object),
          contentType: 'application/apply-patch+yaml', // JSON is YAML.
          signal: options.signal,
        },
        true,
      ).then(answer => answer.value),
      path,
    );
  }

  async patch(resource: Resource, reference: ObjectReference, options: PatchOptions): Promise<KubeObject> {
    const path = objectPath(resource, reference, options.subresource);
    return asObject(
      await this.request({
        method: 'PATCH',
        path,
        query: { fieldManager: options.fieldManager },
        body: options.body,
        contentType: options.contentType,
        signal: options.signal,
      }),
      path,
    );
  }

  /**
   * @returns false where it was gone already.
   * @throws KubeError 409 where a precondition does not hold.
   */
  async delete(
    resource: Resource,
    reference: ObjectReference,
    options: DeleteOptions = {},
  ): Promise<boolean> {
    const { preconditions, propagationPolicy, signal } = options;
    try {
      await this.request({
        method: 'DELETE',
        path: objectPath(resource, reference),
        body: {
          apiVersion: 'v1',
          kind: 'DeleteOptions',
          ...(preconditions && { preconditions }),
          ...(propagationPolicy && { propagationPolicy }),
        },
        signal,
      });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  /**
   * A GET whose answer is read as it comes. Whoever gets it reads it to its end or destroys it.
   *
   * @throws KubeError for a status other than 200.
   */
  async stream(request: {
    readonly path: string;
    readonly query?: Query;
    readonly signal?: AbortSignal;
    readonly timeoutMs?: number;
  }): Promise<IncomingMessage> {
    const outgoing = this.#outgoing({ method: 'GET', ...request }, request.timeoutMs ?? requestTimeoutMs);
    const response = await this.#counted('WATCH', () => this.#transport.send({ ...outgoing, stream: true }));
    if (response.statusCode !== 200) throw await this.#refusal(response, outgoing);
    return response;
  }

  /** Ends all connections; requests and watches under way reject. */
  close(): void {
    this.#transport.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #write(
    method: 'POST' | 'PUT',
    path: string,
    body: KubeObject,
    options: WriteOptions,
  ): Promise<KubeObject> {
    const query = { fieldManager: options.fieldManager };
    return asObject(await this.request({ method, path, query, body, signal: options.signal }), path);
  }

  async #exchange(
    request: KubeRequest,
    repeatable = request.method === 'GET',
  ): Promise<{ readonly value: unknown; readonly bytes: number }> {
    if (request.method !== 'GET') ensureTerm(request.signal);
    const outgoing = { ...this.#outgoing(request, requestTimeoutMs), repeatable };
    const response = await this.#counted(request.method, () => this.#transport.send(outgoing));
    const status = response.statusCode ?? 0;
    if (status < 200 || status > 299) throw await this.#refusal(response, outgoing);
    const body = await readBody(response, outgoing, maxBodyBytes);
    if (body.length === 0) return { value: undefined, bytes: 0 };
    try {
      return { value: JSON.parse(body.toString('utf8')), bytes: body.length };
    } catch (error) {
      throw invalidAnswer(describe(outgoing), status, 'JSON', error);
    }
  }

  #outgoing(request: KubeRequest, timeoutMs: number): Outgoing {
    const { method, query = {}, body, contentType = 'application/json', signal } = request;
    const text = body === undefined ? undefined : JSON.stringify(body);
    return {
      method,
      path: `${request.path}${queryString(query)}`,
      headers: {
        accept: 'application/json',
        'user-agent': this.#userAgent,
        ...(text !== undefined && {
          'content-type': contentType,
          'content-length': String(Buffer.byteLength(text)),
        }),
      },
      body: text,
      signal,
      timeoutMs,
    };
  }

  async #counted(verb: string, send: () => Promise<IncomingMessage>): Promise<IncomingMessage> {
    try {
      const response = await send();
      this.#metrics?.requests.inc({ verb, code: String(response.statusCode) });
      return response;
    } catch (error) {
      if (error instanceof KubeError) this.#metrics?.requests.inc({ verb, code: '0' });
      throw error;
    }
  }

  async #refusal(response: IncomingMessage, outgoing: Outgoing): Promise<unknown> {
    const status = response.statusCode ?? 0;
    let body = '';
    try {
      body = (await readBody(response, outgoing, maxErrorBytes)).toString('utf8');
    } catch (error) {
      if (outgoing.signal?.aborted) return error;
      // The status says enough.
    }
    const error = errorOfAnswer(describe(outgoing), status, body, response.headers['retry-after']);
    this.#log.debug({ status, reason: error.reason, request: describe(outgoing) }, 'request refused');
    return error;
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof KubeError && error.status === 404;
}

function withType(resource: Resource, object: KubeObject): KubeObject {
  return { ...object, apiVersion: apiVersion(resource), kind: resource.kind };
}
