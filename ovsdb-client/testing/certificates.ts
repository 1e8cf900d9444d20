/** Certificates of a CA of their own, made by openssl. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from './programs.ts';

export interface Pki {
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

/**
 * Makes a CA, a server's certificate for a name and a client's, and puts them into files of the directory: the same
 * names each time, so that making them again rotates them.
 */
export async function makePki(directory: string, serverName: string): Promise<Pki> {
  const file = (name: string) => join(directory, name);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout'];
  await runOpenssl(
    'req',
    '-x509',
    ...key,
    file('ca.key'),
    '-out',
    file('ca.pem'),
    '-days',
    '2',
    '-subj',
    '/CN=test CA',
  );
  for (const [name, subject] of [
    ['server', serverName],
    ['client', 'client'],
  ] as const) {
    const request = file(`${name}.csr`);
    await runOpenssl('req', ...key, file(`${name}.key`), '-out', request, '-subj', `/CN=${subject}`);
    await writeFile(file('names'), `subjectAltName=DNS:${subject}`);
    await runOpenssl(
      ...['x509', '-req', '-in', request, '-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial'],
      ...['-days', '2', '-extfile', file('names'), '-out', file(`${name}.pem`)],
    );
  }
  return {
    ca: file('ca.pem'),
    serverCert: file('server.pem'),
    serverKey: file('server.key'),
    clientCert: file('client.pem'),
    clientKey: file('client.key'),
  };
}

function runOpenssl(...args: readonly string[]): Promise<string> {
  return runProgram('openssl', ...args);
}
