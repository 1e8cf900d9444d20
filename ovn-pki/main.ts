import { setTimeout as sleep } from 'node:timers/promises';
import { Counter, Gauge } from 'prom-client';
import { certificateSigningRequests } from '../api/resource.ts';
import { accessOf } from '../kube/access.ts';
import { ObjectCache } from '../kube/cache.ts';
import { KubeClient } from '../kube/client.ts';
import { Controller } from '../kube/controller.ts';
import { defineComponent } from '../process/component.ts';
import { together } from '../process/together.ts';
import { AuthorityStore } from './authority-store.ts';
import { signerOptions } from './options.ts';
import { Signer } from './signer.ts';
import { readSigningRequest } from './signing-request.ts';

/** The Secret is looked at at least so often, in milliseconds: an administrator may have emptied it. */
const rotationInterval = 3_600_000;
const retryInterval = 2_000;

export const ovnPki = defineComponent({
  name: 'ovn-pki',
  summary: "signs the certificates by which OVN's databases and their clients know each other",
  help: `
Keeps two authorities in the Secret nauti-ovn-ca, publishes their certificates in the ConfigMap nauti-ovn-ca, and answers
the CertificateSigningRequests of "nauti ovn-certificate": each kind only to its own ServiceAccount, and a node's name only
to a pod of that node.`,
  options: signerOptions,
  async run(given, { log, signal, probes, metrics }) {
    const access = await accessOf(given.kubeconfig);
    using client = new KubeClient(access, { log, metrics });
    const store = new AuthorityStore({ client, namespace: given.namespace, times: given, log });
    const signer = new Signer({
      client,
      store,
      policy: {
        accounts: {
          database: given.databaseAccount,
          controller: given.controllerAccount,
          chassis: given.chassisAccount,
        },
      },
      serverNames: given.serverName,
      lifetime: given.certificateLifetime,
      log,
      requests: new Counter({
        name: 'nauti_ovn_pki_requests_total',
        help: 'Certificate requests by kind and outcome: issued, denied.',
        labelNames: ['kind', 'outcome'],
        registers: [metrics],
      }),
    });
    const expiry = new Gauge({
      name: 'nauti_ovn_pki_authority_expiry_seconds',
      help: 'When the authority that signs now expires, in seconds since the epoch.',
      labelNames: ['authority'],
      registers: [metrics],
    });
    let problem: string | undefined = 'the authorities must be there';
    probes.ready('authorities', () => problem ?? true);

    const rotate = async (until: AbortSignal) => {
      while (!until.aborted) {
        let pause = retryInterval;
        try {
          const { authorities, restUntil } = await store.refresh(until);
          for (const [authority, { current }] of Object.entries(authorities))
            expiry.set({ authority }, current.notAfter / 1_000);
          problem = undefined;
          pause = Math.max(1_000, Math.min(restUntil - Date.now(), rotationInterval));
        } catch (error) {
          if (until.aborted) break;
          problem = `the authorities must be kept: ${(error as Error).message}`;
          log.error({ err: error }, 'cannot keep the authorities');
        }
        await sleep(pause, undefined, { signal: until }).catch(() => {});
      }
    };
    const controller = new Controller({
      name: 'certificates',
      log,
      metrics,
      reconcile: (name, term) => signer.settle(name, term),
    });
    const requests = new ObjectCache({
      client,
      resource: certificateSigningRequests,
      // Their content is read again when they are settled or taken away.
      project: object => readSigningRequest(object)?.isSettled,
      log,
      metrics,
    });
    requests.subscribe(({ key }) => controller.enqueue(key));
    await together(signal, until => [rotate(until), requests.run(until), controller.run(until)]);
  },
});
