import { services } from '../api/resource.ts';
import { ObjectCache } from '../kube/cache.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Logger } from '../process/log.ts';
import type { Target } from './host-port.ts';
import { balancerTarget } from './own-service.ts';

/** The gateway's Service, where it has one: by which load balancer it is reached, as soon as that is known. */
export class WatchedService {
  readonly #cache: ObjectCache<{ readonly balancer: Target | undefined }> | undefined;
  readonly #key: string;

  constructor(options: {
    readonly client: KubeClient;
    readonly namespace: string;
    readonly name: string | undefined;
    readonly log: Logger;
  }) {
    const { client, namespace, name, log } = options;
    this.#key = `${namespace}/${name}`;
    this.#cache =
      name === undefined
        ? undefined
        : new ObjectCache({
            client,
            resource: services,
            namespace,
            fieldSelector: `metadata.name=${name}`,
            project: service => ({ balancer: balancerTarget(service) }),
            unchanged: (a, b) => JSON.stringify(a) === JSON.stringify(b),
            log,
          });
  }

  /** Where its load balancer is reached; undefined where there is none. */
  get balancer(): Target | undefined {
    return this.#cache?.get(this.#key)?.balancer;
  }

  subscribe(onChange: () => void): void {
    this.#cache?.subscribe(onChange);
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#cache?.run(signal);
  }

  async synced(signal: AbortSignal): Promise<void> {
    await this.#cache?.synced(signal);
  }
}
