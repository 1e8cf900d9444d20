import { readFile } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls } from 'node:tls';
import { type Endpoint, formatEndpoint } from './endpoint.ts';
import { DisconnectedError } from './errors.ts';

/** Files with PEM texts. They are read at each connection, so that rotated certificates come into use by themselves. */
export interface TlsFiles {
  /** Who may sign the server's certificate. */
  readonly ca: string;
  /** The client's own certificate and key, where the server asks for one (OVS always does). */
  readonly cert?: string;
  readonly key?: string;
  /**
   * The name that the server's certificate must carry. Default: the endpoint's host. Give a name where one certificate
   * serves many addresses; `false` for certificates of `ovs-pki`, which carry no name at all: then any certificate
   * of the CA passes as the server's.
   */
  readonly serverName?: string | false;
}

/**
 * Opens a connection.
 *
 * @throws DisconnectedError with the system's error as its cause; the signal's reason where it was aborted.
 */
export async function openSocket(
  endpoint: Endpoint,
  tls: TlsFiles | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  signal.throwIfAborted();
  try {
    if (endpoint.kind === 'ssl') return await openTls(endpoint, tls, signal);
    const socket =
      endpoint.kind === 'unix'
        ? createConnection({ path: endpoint.path })
        : createConnection({ host: endpoint.host, port: endpoint.port, noDelay: true });
    return await opened(socket, 'connect', signal);
  } catch (error) {
    signal.throwIfAborted();
    throw new DisconnectedError(`Cannot connect to ${formatEndpoint(endpoint)}`, { cause: error });
  }
}

async function openTls(
  { host, port }: { readonly host: string; readonly port: number },
  tls: TlsFiles | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  if (tls === undefined)
    throw new TypeError('Cannot use an endpoint "ssl:" as the option "tls" must be given');
  const read = (path: string | undefined) => (path === undefined ? undefined : readFile(path, { signal }));
  const [ca, cert, key] = await Promise.all([read(tls.ca), read(tls.cert), read(tls.key)]);
  const name = tls.serverName ?? host;
  const socket = connectTls({
    host,
    port,
    ca,
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(typeof tls.serverName === 'string' ? { servername: tls.serverName } : {}),
    minVersion: 'TLSv1.2',
    checkServerIdentity: (_, certificate) =>
      name === false ? undefined : checkServerIdentity(name, certificate),
  });
  socket.setNoDelay(true);
  return opened(socket, 'secureConnect', signal);
}

function opened<S extends Socket>(
  socket: S,
  event: 'connect' | 'secureConnect',
  signal: AbortSignal,
): Promise<S> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      socket.off(event, onOpen);
      socket.off('error', onError);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const onOpen = () => settle(() => resolve(socket));
    const onError = (error: Error) => settle(() => reject(error));
    const onAbort = () => {
      socket.destroy();
      settle(() => reject(signal.reason));
    };
    socket.once(event, onOpen);
    socket.once('error', onError);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
