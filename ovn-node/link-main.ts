import { access, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineComponent } from '../process/component.ts';
import { Link } from './link.ts';
import { linkOptions } from './link-options.ts';
import { memberOf, northboundPort, planLink } from './link-plan.ts';

/** Certificates are renewed long before they expire, in milliseconds. */
const rereadEvery = 30_000;

export const ovnLink = defineComponent({
  name: 'ovn-link',
  summary: "carries what the members of OVN's databases say to each other, by TLS",
  help: `
Runs beside the databases where there are several. RAFT and ovn-northd reach each other member at an address of this pod's
own loopback device, 127.1.0.<number + 1>; TLS with certificates of the authority "control" is between the pods.`,
  options: linkOptions,
  async run(given, { log, signal, probes }) {
    const { pod, members, domain, listen } = given;
    const member = memberOf(pod) ?? 0;
    const set = pod.slice(0, pod.lastIndexOf('-'));
    const link = new Link({
      plan: planLink(member, members, given.sockets),
      listen,
      placeOf: (other, wish) => {
        const host = `${set}-${other}.${domain}`;
        return { host, port: wish === 'port' ? northboundPort : listen.port, servername: host };
      },
      directory: given.certificates,
      log,
    });
    let isOpen = false;
    probes.ready('link', () => (isOpen ? true : 'it must listen'));
    // The container beside this one gets the certificate; both start at once.
    for (let tries = 0; !(await hasCertificate(given.certificates)); tries++) {
      if (tries % 50 === 10) log.info('waiting for the certificate');
      await sleep(200, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
    }
    await link.open();
    isOpen = true;
    // The databases' scripts wait for it.
    const sign = join(given.sockets, 'link');
    await writeFile(sign, '');
    log.info({ member, members }, 'listening');
    while (!signal.aborted) {
      await sleep(rereadEvery, undefined, { signal }).catch(() => {});
      await link.refresh().catch(error => log.warn({ err: error }, 'cannot read the certificate'));
    }
    await rm(sign, { force: true });
    link.close();
  },
});

function hasCertificate(directory: string): Promise<boolean> {
  return access(join(directory, 'current', 'tls.key')).then(
    () => true,
    () => false,
  );
}
