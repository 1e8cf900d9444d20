import { expect } from 'chai';
import { runInNode } from '../../lab/lab.ts';
import { eventually } from './eventually.ts';
import { apply, type Cluster, kubectl, readJson } from './kubectl.ts';
import { dropNamespace, freshNamespace } from './namespaces.ts';
import { deployNginx, exportService } from './nginx.ts';
import { curl, dig, run, type Toolbox } from './toolbox.ts';

const namespace = 'e2e-vip';
const exporter: Cluster = 'cluster1';
const importer: Cluster = 'cluster2';
const importerNode = 'cluster2-node1';
const service = { cluster: exporter, namespace, name: 'web' } as const;
const name = `web.${namespace}.svc.clusterset.local`;
/** Milliseconds; tunnels may have to come up, where a cluster has just joined. */
const answerLimit = 60_000;

interface Annotated {
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly status: { readonly podIP?: string };
}

/** One with a second NIC, one that asked for an impossible address and has none, one on the network of its node. */
const kinds: Readonly<Record<string, { readonly annotations?: object; readonly spec?: object }>> = {
  usual: {},
  plain: { annotations: { 'nauti.io/ip_address': '10.0.0.1' } },
  host: { spec: { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' } },
};

describe('the address of an imported service', function () {
  this.timeout(300_000);
  const client = (cluster: Cluster, kind: string): Toolbox => ({ cluster, namespace, name: kind });

  before(async () => {
    const clusters = [exporter, importer] as const;
    await freshNamespace(namespace, clusters);
    const pods = Object.entries(kinds).map(([kind, { annotations, spec }]) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace, name: kind, ...(annotations && { annotations }) },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: 'toolbox',
            image: 'nauti-lab/toolbox:1',
            imagePullPolicy: 'IfNotPresent',
            command: ['sleep', 'infinity'],
          },
        ],
        ...spec,
      },
    }));
    const start = async (cluster: Cluster) => {
      await apply(cluster, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: pods }));
      await kubectl(cluster, [
        ...['wait', '-n', namespace, '--for=condition=Ready', '--timeout=110s'],
        ...Object.keys(kinds).map(kind => `pod/${kind}`),
      ]);
    };
    await Promise.all([...clusters.map(start), deployNginx(service, 2).then(() => exportService(service))]);
  });

  after(() => dropNamespace(namespace, [exporter, importer]));

  const annotationsOf = async (cluster: Cluster, kind: string, object: string) => {
    const scope = kind === 'node' ? [] : ['-n', namespace];
    const { metadata } = (await readJson(cluster, [kind, object, ...scope])) as Annotated;
    return metadata.annotations ?? {};
  };
  /** The address of a node's ovn0. */
  const ovn0 = async (cluster: Cluster, node: string) =>
    (await annotationsOf(cluster, 'node', node))['nauti.io/ip_address']?.split(',')[0] ?? '';
  const vipOf = async (cluster: Cluster) => {
    const found = (await readJson(cluster, ['serviceimport', '-n', namespace, 'web'])) as {
      spec: { ips?: string[] };
    };
    return found.spec.ips?.[0] ?? '';
  };
  const welcomes = (from: Toolbox) =>
    eventually(
      `curl ${name} from ${from.name} of ${from.cluster}`,
      answerLimit,
      () => curl(from, `http://${name}`),
      page => page?.includes('Welcome to nginx!') === true,
    );

  for (const cluster of [importer, exporter]) {
    it(`is what ${name} answers in ${cluster}`, async () => {
      await eventually(
        'the VIP',
        answerLimit,
        async () => [await dig(client(cluster, 'usual'), name), await vipOf(cluster)] as const,
        ([{ data }, vip]) => vip !== '' && data.join() === vip,
      );
    });

    for (const kind of Object.keys(kinds)) {
      it(`leads a pod of ${cluster} to it: ${kind}`, () => welcomes(client(cluster, kind)));
    }
  }

  it('was tried by a pod that has no second NIC indeed', async () => {
    expect(await annotationsOf(importer, 'pod', 'plain')).to.not.have.property('nauti.io/allocated');
    expect((await run(client(importer, 'plain'), 'ip', 'link', 'show', 'eth-ovn')).code).to.not.equal(0);
  });

  it('leads a node to it', async () => {
    await eventually(
      `curl from ${importerNode}`,
      answerLimit,
      async () =>
        runInNode(importerNode, [
          ...['curl', '--silent', '--max-time', '5', `http://${await vipOf(importer)}`],
        ]),
      page => page.includes('Welcome to nginx!'),
    );
  });

  it('leads to all endpoints; they see the node of a client of another cluster, and the client of their own', async () => {
    const { items } = (await readJson(exporter, ['pods', '-n', namespace, '-l', 'app=web'])) as {
      items: Annotated[];
    };
    expect(items).to.have.length(2);
    const node = await ovn0(importer, importerNode);
    const isOfNode = (line: string) => line.startsWith(`${node} `) && line.includes('curl/');
    const { answer } = await eventually(
      `requests of ${node} at both endpoints`,
      answerLimit,
      async () => {
        for (let count = 0; count < 6; count++) await curl(client(importer, 'usual'), `http://${name}`);
        const logs = items.map(({ metadata }) => kubectl(exporter, ['logs', '-n', namespace, metadata.name]));
        return (await Promise.all(logs)).map(log => log.split('\n'));
      },
      logs => logs.every(lines => lines.some(isOfNode)),
    );
    const { status } = (await readJson(exporter, ['pod', '-n', namespace, 'usual'])) as Annotated;
    expect(answer.flat().filter(line => line.startsWith(`${status.podIP} `))).to.not.deep.equal([]);
  });

  /** How many requests of a path each pod of `web` has logged. */
  async function requests(cluster: Cluster, path: string): Promise<number[]> {
    const { items } = (await readJson(cluster, ['pods', '-n', namespace, '-l', 'app=web'])) as {
      items: Annotated[];
    };
    // The errors' log names them too.
    const asked = new RegExp(`^[0-9a-f.:]+ - .*"GET /${path} `);
    const logs = items.map(({ metadata }) => kubectl(cluster, ['logs', '-n', namespace, metadata.name]));
    return (await Promise.all(logs)).map(log => log.split('\n').filter(line => asked.test(line)).length);
  }
  async function ask(path: string, times: number): Promise<void> {
    const url = `http://${name}/${path}`;
    const loop = `for i in $(seq ${times}); do curl --silent --max-time 3 --output /dev/null ${url} || exit 1; done`;
    expect((await run(client(importer, 'usual'), 'sh', '-c', loop)).code).to.equal(0);
  }

  it('keeps a client at one endpoint where the Service asks for that', async () => {
    const patch = JSON.stringify({ spec: { sessionAffinity: 'ClientIP' } });
    await kubectl(exporter, ['patch', 'service', 'web', '-n', namespace, '-p', patch]);
    let round = 0;
    await eventually(
      'all requests at one of two endpoints',
      answerLimit,
      async () => {
        const path = `affine-${++round}`;
        await ask(path, 10);
        return (await requests(exporter, path)).sort();
      },
      counts => counts.join() === '0,10',
    );
  });

  it('leads by a port that clusters number differently to those only that expose it', async () => {
    const none = '{"spec":{"sessionAffinity":"None"}}';
    await kubectl(exporter, ['patch', 'service', 'web', '-n', namespace, '-p', none]);
    await deployNginx({ ...service, cluster: importer }, 1);
    const patch = JSON.stringify([{ op: 'replace', path: '/spec/ports/0/port', value: 81 }]);
    await kubectl(importer, ['patch', 'service', 'web', '-n', namespace, '--type=json', '-p', patch]);
    await exportService({ ...service, cluster: importer });
    await kubectl(importer, [
      ...['wait', 'serviceexport/web', '-n', namespace, '--timeout=100s'],
      "--for=jsonpath={.status.conditions[?(@.type=='Conflict')].reason}=PortConflict",
    ]);
    let round = 0;
    await eventually(
      'requests at both endpoints of the port',
      answerLimit,
      async () => {
        const path = `port-${++round}`;
        await ask(path, 12);
        return [await requests(exporter, path), await requests(importer, path)] as const;
      },
      ([those, others]) => those.every(count => count > 0) && others.join() === '0',
    );
  });

  it('opens no way back: a pod of another cluster reaches neither the kubelet nor any port of a node', async () => {
    const node = `${exporter}-node1`;
    const address = await ovn0(exporter, node);
    const from = client(importer, 'usual');
    const dropped = async () => {
      const rules = await runInNode(node, ['nft', 'list', 'chain', 'inet', 'nauti', 'inbound']);
      return Number(/counter packets (\d+) bytes \d+ drop/.exec(rules)?.[1]);
    };
    const before = await dropped();
    await eventually(
      'a ping of the node',
      answerLimit,
      () => run(from, 'ping', '-c', '1', '-W', '3', address),
      ({ code }) => code === 0,
    );
    for (const url of [`https://${address}:10250/healthz`, `http://${address}:9457/metrics`]) {
      const { code } = await run(from, 'curl', '--silent', '--insecure', '--max-time', '1', url);
      expect(code, url).to.equal(28);
    }
    expect(await dropped()).to.be.greaterThan(before);
    // The node itself answers there: it is the rules that keep others away.
    await runInNode(node, [
      'curl',
      '--silent',
      '--fail',
      '--max-time',
      '3',
      '-o',
      '/dev/null',
      `http://${address}:9457/healthz`,
    ]);
  });
});
