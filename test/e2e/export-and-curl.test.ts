import { expect } from 'chai';
import { eventually } from './eventually.ts';
import { kubectl, readJson } from './kubectl.ts';
import { dropNamespace, freshNamespace } from './namespaces.ts';
import { deployNginx, exportService, readyAddresses, scale } from './nginx.ts';
import { curl, dig, startToolbox, type Toolbox } from './toolbox.ts';

const namespace = 'e2e-export';
const service = { cluster: 'cluster1', namespace, name: 'web' } as const;
const zone = 'hyperos.local';
const name = `web.${namespace}.svc.${zone}`;
/** Milliseconds within which an answer must follow a change, resolver caches included (TTL 5 s). */
const answerLimit = 60_000;

interface PodFields {
  readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
}

describe('an exported service', function () {
  this.timeout(400_000);
  let near: Toolbox;
  let far: Toolbox;

  before(async () => {
    await freshNamespace(namespace, ['cluster1', 'cluster2']);
    [near, far] = await Promise.all([
      startToolbox('cluster1', namespace),
      startToolbox('cluster2', namespace),
      deployNginx(service, 1),
    ]);
  });

  after(() => dropNamespace(namespace, ['cluster1', 'cluster2']));

  const follows = async (client: Toolbox) => {
    await eventually(
      `${client.cluster} answers the ready endpoints of ${name}`,
      answerLimit,
      async () => [await dig(client, name), await readyAddresses(service)] as const,
      ([{ status, data }, ready]) => status === 'NOERROR' && data.join() === ready.join(),
    );
  };

  const answersStatus = (client: Toolbox, what: string, expected: string) =>
    eventually(
      `${expected} for ${what} in ${client.cluster}`,
      answerLimit,
      () => dig(client, what),
      ({ status }) => status === expected,
    );

  it('does not exist before it is exported', async () => {
    await answersStatus(far, name, 'NXDOMAIN');
  });

  it('is curled by name from the other cluster and from its own', async () => {
    await exportService(service);
    for (const client of [far, near]) {
      const { answer } = await eventually(
        `curl from ${client.cluster}`,
        answerLimit,
        () => curl(client, `http://${name}`),
        body => body !== undefined,
      );
      expect(answer).to.contain('Welcome to nginx!');
    }
  });

  it('sees the address of the pod that curls, also from behind a NAT', async () => {
    const pod = (await readJson('cluster2', ['pod', '-n', namespace, far.name])) as PodFields;
    const [address = ''] = pod.metadata.annotations['nauti.io/ip_address']?.split(',') ?? [];
    await eventually(
      `a request of ${address} in the log of nginx`,
      answerLimit,
      () => kubectl('cluster1', ['logs', '-n', namespace, 'deployment/web']),
      log => log.split('\n').some(line => line.startsWith(`${address} `) && line.includes('curl/')),
    );
  });

  it('has an SRV record for its named port, and answers over TCP', async () => {
    const { answer } = await eventually(
      'an SRV record',
      answerLimit,
      () => dig(far, `_http._tcp.${name}`, 'SRV', '+tcp'),
      ({ data }) => data.length === 1,
    );
    expect(answer.data[0]).to.match(/^0 \d+ 80 /);
  });

  it('gets the conditions of KEP-1645', async () => {
    const { answer } = await eventually(
      'conditions',
      answerLimit,
      async () => {
        const object = (await readJson('cluster1', ['serviceexport', '-n', namespace, 'web'])) as {
          status?: { conditions?: { type: string; status: string; reason: string }[] };
        };
        return Object.fromEntries(
          (object.status?.conditions ?? []).map(c => [c.type, `${c.status} ${c.reason}`]),
        );
      },
      conditions => conditions.Ready !== undefined && conditions.Conflict !== undefined,
    );
    expect(answer).to.deep.include({
      Valid: 'True Valid',
      Ready: 'True Exported',
      Conflict: 'False NoConflicts',
    });
  });

  for (const replicas of [5, 0, 3]) {
    it(`answers ${replicas} endpoints after it was scaled`, async () => {
      await scale(service, replicas);
      await eventually(
        `${replicas} ready pods`,
        60_000,
        () => readyAddresses(service),
        addresses => addresses.length === replicas,
      );
      if (replicas > 0) {
        await follows(far);
        await follows(near);
        return;
      }
      await eventually(
        'no address',
        answerLimit,
        () => dig(far, name),
        ({ data }) => data.length === 0,
      );
    });
  }

  it('leaves cluster.local as it was', async () => {
    const own = `web.${namespace}.svc.cluster.local`;
    await eventually(
      `one address of ${own}`,
      answerLimit,
      () => dig(near, own),
      ({ data }) => data.length === 1,
    );
    await answersStatus(far, own, 'NXDOMAIN');
  });

  it('is NXDOMAIN everywhere once it is no longer exported, and leaves no import behind', async () => {
    await kubectl('cluster1', ['delete', 'serviceexport', '-n', namespace, 'web', '--timeout=110s']);
    for (const client of [far, near]) {
      await answersStatus(client, name, 'NXDOMAIN');
      await eventually(
        `no import being left in ${client.cluster}`,
        answerLimit,
        () => kubectl(client.cluster, ['get', 'serviceimports', '-n', namespace, '-o', 'name']),
        imports => imports === '',
      );
    }
  });
});
