import { setTimeout as sleep } from 'node:timers/promises';
import { Gauge } from 'prom-client';
import { configMaps } from '../api/resource.ts';
import { accessOf } from '../kube/access.ts';
import { ObjectCache } from '../kube/cache.ts';
import { KubeClient } from '../kube/client.ts';
import { defineComponent } from '../process/component.ts';
import { together } from '../process/together.ts';
import { CertificateKeeper } from './certificate-keeper.ts';
import { authorityObject } from './certificate-kind.ts';
import type { Bundles } from './certificate-state.ts';
import { certificateOptions } from './options.ts';

const retry = { firstMs: 250, lastMs: 30_000 };

export const ovnCertificate = defineComponent({
  name: 'ovn-certificate',
  summary: "gets a certificate for a client or server of OVN's databases, and renews it in time",
  help: `
Runs beside the program that uses the certificate, in the same pod, and asks "nauti ovn-pki" by a CertificateSigningRequest:
the key is made here and never leaves the pod. /readyz answers once the files are there.`,
  options: certificateOptions,
  async run(given, { log, signal, probes, metrics }) {
    const access = await accessOf(given.kubeconfig);
    using client = new KubeClient(access, { log });
    const bundles = new ObjectCache({
      client,
      resource: configMaps,
      namespace: given.namespace,
      fieldSelector: `metadata.name=${authorityObject}`,
      project: ({ data }): Bundles | undefined => {
        const { 'control.crt': control, 'chassis.crt': chassis } = (data ?? {}) as Record<
          string,
          string | undefined
        >;
        return control && chassis ? { control, chassis } : undefined;
      },
      log,
    });
    const expiry = new Gauge({
      name: 'nauti_ovn_certificate_expiry_seconds',
      help: 'When the certificate expires, in seconds since the epoch.',
      registers: [metrics],
    });
    const keeper = new CertificateKeeper({ ...given, client, log, onExpiry: ms => expiry.set(ms / 1_000) });
    let changed = new AbortController();
    bundles.subscribe(() => changed.abort());
    probes.ready('certificate', () => (keeper.isThere ? true : 'it must have been issued'));

    const keep = async (until: AbortSignal) => {
      let delay = retry.firstMs;
      while (!until.aborted) {
        changed = new AbortController();
        const known = bundles.get(`${given.namespace}/${authorityObject}`);
        let rest = Number.POSITIVE_INFINITY;
        try {
          if (known !== undefined) rest = await keeper.keep(known, until);
          delay = retry.firstMs;
        } catch (error) {
          if (until.aborted) break;
          log.warn({ err: error }, 'cannot get the certificate yet');
          rest = delay;
          delay = Math.min(delay * 2, retry.lastMs);
        }
        // A timer takes no more than 24 days.
        const wake = AbortSignal.any([until, changed.signal]);
        await sleep(Math.min(rest, 86_400_000), undefined, { signal: wake }).catch(() => {});
      }
    };
    await together(signal, until => [bundles.run(until), keep(until)]);
  },
});
