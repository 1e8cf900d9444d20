import { expect } from 'chai';
import { eventually } from './eventually.ts';
import { kubectl, readJson } from './kubectl.ts';
import { deployNginx, exportService, readyAddresses, scale } from './nginx.ts';
import { curl, dig, startToolbox, type Toolbox } from './toolbox.ts';

const namespace = 'e2e-export';
const service = { cluster: 'cluster1', namespace, name: 'web' } as const;
const zone = 'hyperos.local';
const name = `web.${namespace}.svc.${zone}`;
/** Milliseconds within which an answer must follow a change, resolver caches included (TTL 5 s). */
const answerLimit = 20_000;

interface PodFields {
  readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
}

describe('an exported service', function () {
  this.timeout(180_000);
  let near: Toolbox;
  let far: Toolbox;

  before(async () => {
    for (const cluster of ['cluster1', 'cluster2'] as const) {
      await kubectl(cluster, ['create', 'namespace', namespace]);
    }
    await deployNginx(service, 1);
    [near, far] = await Promise.all([
      startToolbox('cluster1', namespace),
      startToolbox('cluster2', namespace),
    ]);
  });

  after(async () => {
    await Promise.all(
      (['cluster1', 'cluster2'] as const).map(cluster =>
        kubectl(cluster, ['delete', 'namespace', namespace, '--ignore-not-found', '--timeout=90s']),
      ),
    );
  });

  const follows = async (client: Toolbox) => {
    const expected = await readyAddresses(service);
    await eventually(
      `${client.cluster} answers the ready endpoints of ${name}`,
      answerLimit,
      () => dig(client, name),
      ({ status, data }) => status === 'NOERROR' && data.join() === expected.join(),
    );
  };

  it('does not exist before it is exported', async () => {
    expect((await dig(far, name)).status).to.equal('NXDOMAIN');
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
    const log = await kubectl('cluster1', ['logs', '-n', namespace, 'deployment/web']);
    const clients = log.split('\n').filter(line => line.includes('curl/'));
    expect(clients.filter(line => line.startsWith(`${address} `))).to.not.deep.equal([]);
  });

  it('has an SRV record for its named port, and answers over TCP', async () => {
    const { data } = await dig(far, `_http._tcp.${name}`, 'SRV', '+tcp');
    expect(data).to.have.length(1);
    expect(data[0]).to.match(/^0 \d+ 80 /);
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
    const own = await dig(near, `web.${namespace}.svc.cluster.local`);
    expect(own.data).to.have.length(1);
    expect((await dig(far, `web.${namespace}.svc.cluster.local`)).status).to.equal('NXDOMAIN');
  });

  it('is NXDOMAIN everywhere once it is no longer exported, and leaves no import behind', async () => {
    await kubectl('cluster1', ['delete', 'serviceexport', '-n', namespace, 'web', '--timeout=30s']);
    for (const client of [far, near]) {
      await eventually(
        `NXDOMAIN in ${client.cluster}`,
        answerLimit,
        () => dig(client, name),
        ({ status }) => status === 'NXDOMAIN',
      );
      const imports = (await readJson(client.cluster, ['serviceimports', '-n', namespace])) as {
        items: unknown[];
      };
      expect(imports.items).to.deep.equal([]);
    }
  });
});
