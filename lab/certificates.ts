/** The certificates of a cluster: one authority of its own, EC keys, made by openssl(1). */
import { generateKeyPairSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { run } from './command.ts';

export interface Subject {
  readonly commonName: string;
  /** Kubernetes takes them as the groups of a user. */
  readonly organizations?: readonly string[];
  /** DNS names and IP addresses that a server with this certificate may be reached by. */
  readonly hosts?: readonly string[];
}

/** Paths of two PEM files. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

// openssl adds the extensions of the machine's own configuration file, among them CA:TRUE, unless it is given another.
const opensslConfiguration = '[req]\ndistinguished_name = dn\n[dn]\n';
const validDays = '365';

/** Files in one directory, readable by their owner only. What is there already is kept. */
export class Authority {
  readonly directory: string;
  readonly certificate: string;

  private constructor(directory: string) {
    this.directory = directory;
    this.certificate = join(directory, 'ca.crt');
  }

  static async open(directory: string, commonName: string): Promise<Authority> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeFile(join(directory, 'openssl.cnf'), opensslConfiguration);
    const authority = new Authority(directory);
    await authority.#make('ca', [
      ...['-subj', subjectText({ commonName })],
      ...[
        '-addext',
        'basicConstraints=critical,CA:TRUE',
        '-addext',
        'keyUsage=critical,keyCertSign,digitalSignature',
      ],
    ]);
    return authority;
  }

  /** A certificate for both ends of a TLS connection; its files are `<name>.crt` and `<name>.key`. */
  issue(name: string, subject: Subject): Promise<KeyPair> {
    const hosts = subject.hosts ?? [];
    return this.#make(name, [
      ...['-CA', this.certificate, '-CAkey', join(this.directory, 'ca.key'), '-subj', subjectText(subject)],
      ...[
        '-addext',
        'basicConstraints=critical,CA:FALSE',
        '-addext',
        'extendedKeyUsage=clientAuth,serverAuth',
      ],
      ...(hosts.length > 0 ? ['-addext', `subjectAltName=${alternativeNames(hosts)}`] : []),
    ]);
  }

  /** A key to sign tokens with. */
  async signingKey(name: string): Promise<string> {
    const path = join(this.directory, `${name}.key`);
    if (existsSync(path)) return path;
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await writeFile(`${path}.partial`, privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 });
    await rename(`${path}.partial`, path);
    return path;
  }

  async #make(name: string, args: readonly string[]): Promise<KeyPair> {
    const certificate = join(this.directory, `${name}.crt`);
    const key = join(this.directory, `${name}.key`);
    if (existsSync(certificate)) return { certificate, key };
    await run('openssl', [
      ...['req', '-x509', '-config', join(this.directory, 'openssl.cnf'), '-days', validDays, '-nodes'],
      ...[
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-keyout',
        key,
        '-out',
        `${certificate}.partial`,
      ],
      ...args,
    ]);
    // The certificate comes last and whole: where it is, its key is too.
    await rename(`${certificate}.partial`, certificate);
    return { certificate, key };
  }
}

function subjectText({ organizations = [], commonName }: Subject): string {
  return `${organizations.map(name => `/O=${name}`).join('')}/CN=${commonName}`;
}

/** The value of a subjectAltName extension: `DNS:localhost,IP:127.0.0.1`. */
export function alternativeNames(hosts: readonly string[]): string {
  return hosts.map(host => `${isIP(host) === 0 ? 'DNS' : 'IP'}:${host}`).join(',');
}
