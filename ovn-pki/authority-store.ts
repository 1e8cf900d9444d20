import type { KubeObject } from '../api/meta.ts';
import { configMaps, type Resource, secrets } from '../api/resource.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Logger } from '../process/log.ts';
import {
  type Authority,
  bundle,
  type Generations,
  planRotation,
  promoted,
  type RotationTimes,
} from './authority-plan.ts';
import { type AuthorityName, authorityNames, authorityObject } from './certificate-kind.ts';
import { checkedAuthority, makeAuthority } from './x509.ts';

const secretKey = 'authorities.json';

export type Authorities = Readonly<Record<AuthorityName, Generations>>;

export interface AuthorityStoreOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly times: RotationTimes;
  readonly log: Logger;
  /** Milliseconds since the epoch; for tests. */
  readonly now?: () => number;
}

/**
 * The authorities as they stand in the Secret: read anew each time, so that a restart, a second process or an administrator
 * who empties the Secret needs nothing else. Two writers cannot both win: each writes the version that it has read.
 */
export class AuthorityStore {
  readonly #options: AuthorityStoreOptions;
  readonly #now: () => number;

  constructor(options: AuthorityStoreOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Makes, promotes and forgets what is due, and publishes the certificates, before anything is signed by them.
   *
   * @returns the authorities, and when there is something to do again.
   * @throws KubeError 409 where another process was faster: ask again.
   */
  async refresh(
    signal: AbortSignal,
  ): Promise<{ readonly authorities: Authorities; readonly restUntil: number }> {
    const secret = await this.#read(secrets, signal);
    const kept = readAuthorities((secret.data as Record<string, string> | undefined)?.[secretKey]);
    const rotated: Partial<Record<AuthorityName, Generations>> = {};
    let restUntil = Number.POSITIVE_INFINITY;
    for (const name of authorityNames) {
      const result = await this.#rotate(name, kept[name]);
      rotated[name] = result.generations;
      restUntil = Math.min(restUntil, result.restUntil);
    }
    const authorities = rotated as Authorities;
    if (JSON.stringify(authorities) !== JSON.stringify(kept)) {
      const data = { [secretKey]: Buffer.from(JSON.stringify(authorities)).toString('base64') };
      await this.#options.client.update(secrets, { ...secret, data }, { signal });
    }
    await this.#publish(authorities, signal);
    return { authorities, restUntil };
  }

  async #rotate(
    name: AuthorityName,
    kept: Generations | undefined,
  ): Promise<{ readonly generations: Generations; readonly restUntil: number }> {
    const { times, log } = this.#options;
    let generations = kept;
    for (;;) {
      const step = planRotation(this.#now(), generations, times);
      if (step.kind === 'rest') {
        if (generations === undefined) throw new Error('unreachable: there is no rest without an authority');
        return { generations, restUntil: step.until };
      }
      log.info({ authority: name, step }, 'authority changes');
      if (step.kind === 'make') {
        const made = await makeAuthority(name, this.#now(), times.authorityLifetime);
        generations =
          step.slot === 'current' || generations === undefined
            ? { current: made }
            : { ...generations, next: made };
      } else if (generations !== undefined) {
        if (step.kind === 'promote') generations = promoted(generations);
        else {
          const { previous, ...others } = generations;
          log.info({ authority: name, expired: previous?.notAfter }, 'authority is forgotten');
          generations = others;
        }
      }
    }
  }

  async #publish(authorities: Authorities, signal: AbortSignal): Promise<void> {
    const data = Object.fromEntries(authorityNames.map(name => [`${name}.crt`, bundle(authorities[name])]));
    const published = await this.#read(configMaps, signal);
    const before = published.data as Record<string, string> | undefined;
    if (authorityNames.every(name => before?.[`${name}.crt`] === data[`${name}.crt`])) return;
    await this.#options.client.update(configMaps, { ...published, data }, { signal });
  }

  async #read(resource: Resource, signal: AbortSignal): Promise<KubeObject> {
    const { client, namespace } = this.#options;
    const object = await client.get(resource, { namespace, name: authorityObject }, { signal });
    if (object === undefined) {
      throw new Error(
        `Cannot keep the authorities as the ${resource.kind} ${namespace}/${authorityObject} must exist: the chart makes it`,
      );
    }
    return object;
  }
}

/**
 * @param data base64 of the Secret's key; undefined where nothing was made yet.
 * @throws Error where it is something else: what cannot be read is not replaced, as all certificates hang on it.
 */
export function readAuthorities(data: string | undefined): Partial<Authorities> {
  if (data === undefined || data === '') return {};
  try {
    const parsed = JSON.parse(Buffer.from(data, 'base64').toString()) as Record<
      string,
      Record<string, unknown>
    >;
    return Object.fromEntries(
      authorityNames.flatMap(name =>
        parsed[name] === undefined ? [] : [[name, readGenerations(parsed[name])]],
      ),
    );
  } catch (cause) {
    throw new Error(
      `Cannot read the authorities as the Secret ${authorityObject} must hold what was written there; to begin anew, remove its data`,
      { cause },
    );
  }
}

function readGenerations(parsed: Record<string, unknown>): Generations {
  const { current, next, previous } = parsed;
  return {
    current: readAuthority(current),
    ...(next === undefined ? {} : { next: readAuthority(next) }),
    ...(previous === undefined ? {} : { previous: readAuthority(previous) }),
  };
}

function readAuthority(value: unknown): Authority {
  const { certificate, key, notBefore, notAfter } = value as Partial<Authority>;
  if (
    typeof certificate !== 'string' ||
    typeof key !== 'string' ||
    typeof notBefore !== 'number' ||
    typeof notAfter !== 'number'
  )
    throw new TypeError('an authority must have a certificate, a key and its times');
  return checkedAuthority({ certificate, key, notBefore, notAfter });
}
