import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { createConnection } from 'node:net';
import type { Message } from '@bufbuild/protobuf';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { GenMessage } from '@bufbuild/protobuf/codegenv2';
import {
  ListPodSandboxRequestSchema,
  ListPodSandboxResponseSchema,
  PodSandboxStatusRequestSchema,
  PodSandboxStatusResponseSchema,
} from './protocol/generated/cri_pb.ts';

/** The runtime's service could not be asked, or refused. */
export class CriError extends Error {
  override readonly name = 'CriError';
}

/** A sandbox in the runtime's list. */
export interface ListedSandbox {
  readonly id: string;
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** How often the kubelet made one for the pod before. */
  readonly attempt: number;
  readonly isReady: boolean;
  readonly annotations: Readonly<Record<string, string>>;
}

const service = 'runtime.v1.RuntimeService';
const longestAnswer = 64 * 1024 * 1024;

/** The container runtime's CRI service (gRPC over HTTP/2 on a socket), as far as it is needed to find pods. */
export class CriClient {
  readonly #path: string;
  #session: ClientHttp2Session | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async list(signal: AbortSignal): Promise<readonly ListedSandbox[]> {
    const answer = await this.call(
      'ListPodSandbox',
      ListPodSandboxRequestSchema,
      {},
      ListPodSandboxResponseSchema,
      signal,
    );
    return answer.items.map(({ id, metadata, state, annotations }) => ({
      id,
      uid: metadata?.uid ?? '',
      namespace: metadata?.namespace ?? '',
      name: metadata?.name ?? '',
      attempt: metadata?.attempt ?? 0,
      isReady: state === 0,
      annotations,
    }));
  }

  /** Path of a sandbox's network namespace; undefined on the host's network, and where it is torn down. */
  async netnsOf(id: string, signal: AbortSignal): Promise<string | undefined> {
    const { info } = await this.call(
      'PodSandboxStatus',
      PodSandboxStatusRequestSchema,
      { podSandboxId: id, verbose: true },
      PodSandboxStatusResponseSchema,
      signal,
    );
    return netnsInInfo(info.info ?? '');
  }

  /**
   * A unary call (gRPC over HTTP/2).
   *
   * @throws CriError; the signal's reason.
   */
  async call<Q extends Message, A extends Message>(
    method: string,
    requestSchema: GenMessage<Q>,
    request: MessageInitShape<GenMessage<Q>>,
    answerSchema: GenMessage<A>,
    signal: AbortSignal,
  ): Promise<A> {
    signal.throwIfAborted();
    const payload = toBinary(requestSchema, create(requestSchema, request));
    const bytes = await this.#exchange(`/${service}/${method}`, frame(payload), signal);
    try {
      return fromBinary(answerSchema, unframe(bytes));
    } catch (error) {
      throw new CriError(`Cannot read the answer to ${method}`, { cause: error });
    }
  }

  close(): void {
    this.#session?.destroy();
    this.#session = undefined;
  }

  #exchange(path: string, body: Buffer, signal: AbortSignal): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const stream = this.#connected().request({
        [constants.HTTP2_HEADER_METHOD]: 'POST',
        [constants.HTTP2_HEADER_PATH]: path,
        [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
        te: 'trailers',
      });
      const pieces: Buffer[] = [];
      let length = 0;
      let status: string | undefined;
      let message = '';
      const readStatus = (headers: Record<string, unknown>) => {
        if (typeof headers['grpc-status'] !== 'string') return;
        status = headers['grpc-status'];
        message = String(headers['grpc-message'] ?? '');
      };
      const onAbort = () => stream.close(constants.NGHTTP2_CANCEL);
      signal.addEventListener('abort', onAbort);
      stream.on('response', readStatus);
      stream.on('trailers', readStatus);
      stream.on('data', (piece: Buffer) => {
        pieces.push(piece);
        length += piece.length;
        if (length > longestAnswer) stream.close(constants.NGHTTP2_CANCEL);
      });
      stream.on('error', error =>
        reject(new CriError(`Cannot ask the container runtime: ${path}`, { cause: error })),
      );
      stream.on('close', () => {
        signal.removeEventListener('abort', onAbort);
        if (signal.aborted) reject(signal.reason);
        else if (status === '0') resolve(Buffer.concat(pieces));
        else
          reject(new CriError(`The container runtime refused ${path}: ${status ?? 'no status'} ${message}`));
      });
      stream.end(body);
    });
  }

  #connected(): ClientHttp2Session {
    if (this.#session !== undefined && !this.#session.closed && !this.#session.destroyed)
      return this.#session;
    const session = connect('http://localhost', {
      createConnection: () => createConnection({ path: this.#path }),
    });
    // Each stream tells of it too.
    session.on('error', () => {});
    session.on('close', () => {
      if (this.#session === session) this.#session = undefined;
    });
    this.#session = session;
    return session;
  }
}

/** Length-prefixed message: not compressed, u32be length. */
function frame(payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(5 + payload.length);
  bytes.writeUInt32BE(payload.length, 1);
  bytes.set(payload, 5);
  return bytes;
}

function unframe(bytes: Buffer): Buffer {
  if (bytes.length < 5 || bytes[0] !== 0 || bytes.readUInt32BE(1) !== bytes.length - 5) {
    throw new CriError('Cannot read an answer as it must be one message that is not compressed');
  }
  return bytes.subarray(5);
}

/**
 * containerd and CRI-O show the sandbox's runtime specification as JSON, in the field `info` of a verbose status; containerd
 * also whether the namespace is gone.
 */
export function netnsInInfo(text: string): string | undefined {
  let info: {
    status?: unknown;
    netNamespaceClosed?: unknown;
    runtimeSpec?: { linux?: { namespaces?: unknown } };
  };
  try {
    info = JSON.parse(text);
  } catch (error) {
    throw new CriError('Cannot read the status of a sandbox as its info must be JSON', { cause: error });
  }
  if (info?.netNamespaceClosed === true) return undefined;
  // It was never started.
  if (info?.status === 'deleted' && info.runtimeSpec === undefined) return undefined;
  const namespaces = info?.runtimeSpec?.linux?.namespaces;
  if (!Array.isArray(namespaces)) {
    throw new CriError('Cannot read the status of a sandbox as its info must have the namespaces');
  }
  const path: unknown = namespaces.find(entry => entry?.type === 'network')?.path;
  return typeof path === 'string' && path !== '' ? path : undefined;
}
