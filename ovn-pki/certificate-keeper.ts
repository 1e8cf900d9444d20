import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Condition } from '../api/meta.ts';
import { certificateSigningRequests } from '../api/resource.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Logger } from '../process/log.ts';
import { readCertificateFiles, writeCertificateFiles } from './certificate-directory.ts';
import { authorityOf, type CertificateKind, signerName } from './certificate-kind.ts';
import { certificateRequest, newKey } from './certificate-request.ts';
import {
  assess,
  type Bundles,
  type CertificateFiles,
  clientBundle,
  isSignedByOneOf,
  renewalTime,
} from './certificate-state.ts';

/** An answer takes some 50 ms; who signs may have to start first. */
const poll = { firstMs: 50, lastMs: 2_000, timeoutMs: 60_000 };
/** A clock that is far ahead calls each certificate old: a new one is not asked for more often than this part of its life. */
const leastRest = 1 / 100;

/** A request that nobody has answered yet. */
interface Pending {
  readonly name: string;
  /** PEM */
  readonly key: string;
}

export interface CertificateKeeperOptions {
  readonly client: KubeClient;
  readonly kind: CertificateKind;
  readonly commonName: string;
  readonly directory: string;
  readonly log: Logger;
  /** Told of the certificate in use: when it expires, in milliseconds since the epoch. */
  readonly onExpiry?: (ms: number) => void;
  /** How long an answer is waited for at a time, in milliseconds. */
  readonly patienceMs?: number;
  /** Milliseconds since the epoch; for tests. */
  readonly now?: () => number;
}

/** Keeps one key and its certificate in a directory. */
export class CertificateKeeper {
  readonly #options: CertificateKeeperOptions;
  readonly #now: () => number;
  #isThere = false;
  #pending: Pending | undefined;

  constructor(options: CertificateKeeperOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** Whether the files were complete and good when they were last looked at. */
  get isThere(): boolean {
    return this.#isThere;
  }

  /**
   * Adopts what is there, renews it where it is due, and writes the authorities that are trusted.
   *
   * @returns after how many milliseconds to come back.
   * @throws Error where no certificate was got; what is there stays in use.
   */
  async keep(bundles: Bundles, signal: AbortSignal): Promise<number> {
    const { directory, commonName, kind, log, onExpiry } = this.#options;
    let files = await readCertificateFiles(directory);
    const state = assess(this.#now(), files, commonName, authorityOf(kind), bundles);
    if (state.kind === 'renew') {
      log.info({ why: state.why, commonName }, 'asking for a certificate');
      files = { ...(await this.#request(bundles, signal)), ...trusted(bundles) };
      await writeCertificateFiles(directory, files);
      log.info({ commonName }, 'certificate written');
    } else if (state.kind === 'rewrite' && files !== undefined) {
      files = { ...files, ...trusted(bundles) };
      await writeCertificateFiles(directory, files);
      log.info('authorities written');
    }
    if (files === undefined) throw new Error('unreachable: without files there is nothing to adopt');
    this.#isThere = true;
    const certificate = new X509Certificate(files.certificate);
    const [from, to] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()];
    onExpiry?.(to);
    return Math.max(1_000, (to - from) * leastRest, renewalTime(certificate) - this.#now());
  }

  /** What was asked for is waited for again: while nobody signs there is one request, not one a minute. */
  async #request(
    bundles: Bundles,
    signal: AbortSignal,
  ): Promise<Pick<CertificateFiles, 'key' | 'certificate'>> {
    this.#pending ??= await this.#ask(signal);
    const { name, key } = this.#pending;
    const certificate = await this.#answer(name, signal);
    const parsed = new X509Certificate(certificate);
    if (
      !parsed.checkPrivateKey(createPrivateKey(key)) ||
      !isSignedByOneOf(parsed, bundles[authorityOf(this.#options.kind)])
    ) {
      throw new Error(
        `Cannot use the certificate of ${name} as it must be of our key and of an authority that is trusted`,
      );
    }
    return { key, certificate };
  }

  async #ask(signal: AbortSignal): Promise<Pending> {
    const { client, kind, commonName } = this.#options;
    const key = newKey();
    const name = `nauti-ovn-${commonName.slice(0, 200)}-${randomBytes(6).toString('hex')}`;
    const pem = certificateRequest(commonName, createPrivateKey(key));
    await client.create(
      certificateSigningRequests,
      {
        metadata: { name },
        spec: {
          request: Buffer.from(pem).toString('base64'),
          signerName: signerName(kind),
          usages: ['digital signature', 'client auth', ...(kind === 'database' ? ['server auth'] : [])],
        },
      },
      { signal },
    );
    return { name, key };
  }

  /** PEM, once it is there. An answer of any kind ends the request. */
  async #answer(name: string, signal: AbortSignal): Promise<string> {
    const { client, patienceMs = poll.timeoutMs } = this.#options;
    const deadline = performance.now() + patienceMs;
    for (let pause = poll.firstMs; performance.now() < deadline; pause = Math.min(pause * 1.5, poll.lastMs)) {
      await sleep(pause, undefined, { signal });
      const object = await client.get(certificateSigningRequests, { name }, { signal });
      const status = object?.status as
        | { certificate?: string; conditions?: readonly Condition[] }
        | undefined;
      const refusal = status?.conditions?.find(({ type }) => type === 'Denied' || type === 'Failed');
      if (object !== undefined && status?.certificate === undefined && refusal === undefined) continue;
      this.#pending = undefined;
      if (status?.certificate !== undefined) return Buffer.from(status.certificate, 'base64').toString();
      throw new Error(`Cannot get the certificate ${name}: ${refusal?.message ?? 'the request is gone'}`);
    }
    throw new Error(
      `Cannot get the certificate ${name} as it must be signed within ${patienceMs / 1_000} s: is nauti-ovn-pki running?`,
    );
  }
}

function trusted(bundles: Bundles): Pick<CertificateFiles, 'authorities' | 'clients'> {
  return { authorities: bundles.control, clients: clientBundle(bundles) };
}
