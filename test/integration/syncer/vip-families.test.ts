import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { stringify } from 'yaml';
import { componentNamespace } from '../../../api/names.ts';
import { namespaces, nodes } from '../../../api/resource.ts';
import { kubeconfigAccess } from '../../../kube/access.ts';
import { KubeClient } from '../../../kube/client.ts';
import { run, tryRun } from '../../../lab/command.ts';
import { type ControlPlane, startControlPlane } from '../../../lab/control-plane.ts';
import { toolPath } from '../../../lab/tools.ts';
import { until } from '../../../lab/until.ts';
import { installCrds } from '../install-crds.ts';
import { joinable, type RunningSyncer, sharedClusterSet, startSyncer } from './cluster-set.ts';
import {
  endpoint,
  eventually,
  exportService,
  makeNamespace,
  makeService,
  readImport,
  writeSlice,
} from './objects.ts';

/** Network namespaces of this process alone; `nauti-` would be the lab's. */
const [node, server] = [`vip-node-${process.pid}`, `vip-server-${process.pid}`] as const;
const ns = 'vip-families';
const addresses = { node: ['10.1.0.254', 'fd00:1::fe'], server: ['10.1.0.1', 'fd00:1::1'] } as const;

/** A cluster whose Services are of both families; one node of it is a network namespace with the real kube-proxy. */
describe('the addresses of an import in a cluster of both families', function () {
  this.timeout(180_000);
  const children: ChildProcess[] = [];
  let plane: ControlPlane | undefined;
  let client: KubeClient;
  let syncer: RunningSyncer | undefined;

  const start = (command: string, ...args: readonly string[]) =>
    children.push(spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args], { stdio: 'ignore' }));
  const inside = (namespace: string, ...words: readonly string[]) =>
    start('ip', 'netns', 'exec', namespace, ...words);
  const removeNetwork = async () => {
    for (const namespace of [node, server]) await tryRun('ip', ['netns', 'delete', namespace]);
  };

  before(async () => {
    const set = await sharedClusterSet();
    const directory = join(set.directory, 'both-families');
    await mkdir(directory);
    plane = await startControlPlane({ directory, serviceCidr: '10.96.0.0/16,fd00:10:96::/112' });
    client = new KubeClient(await kubeconfigAccess(plane.kubeconfig));
    await installCrds(client);
    await client.create(namespaces, { metadata: { name: componentNamespace } });
    await makeNamespace(client, ns);
    syncer = startSyncer(await joinable(set.hub, { plane, client }, 'both-families', set.directory));
    await makeNode();
    await buildNetwork(new URL(plane.server), join(directory, 'api.sock'));
    const configuration = {
      apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
      kind: 'KubeProxyConfiguration',
      mode: 'nftables',
      hostnameOverride: node,
      clientConnection: { kubeconfig: plane.kubeconfig },
      conntrack: { maxPerCore: 0, min: 0 },
      oomScoreAdj: 0,
    };
    await writeFile(join(directory, 'kube-proxy.yaml'), stringify(configuration));
    inside(node, toolPath('kube-proxy'), `--config=${join(directory, 'kube-proxy.yaml')}`);
  });

  after(async () => {
    await syncer?.stop();
    for (const child of children) child.kill('SIGKILL');
    client?.close();
    await plane?.stop();
    await removeNetwork();
  });

  async function makeNode(): Promise<void> {
    const made = await client.create(nodes, { metadata: { name: node } });
    const status = { addresses: addresses.node.map(address => ({ type: 'InternalIP', address })) };
    await client.update(nodes, { ...made, status }, { subresource: 'status' });
  }

  /** The node with a way to the API server, and where the endpoints are. */
  async function buildNetwork({ hostname, port }: URL, socket: string): Promise<void> {
    await removeNetwork();
    for (const namespace of [node, server]) await run('ip', ['netns', 'add', namespace]);
    await run('ip', [
      '-n',
      node,
      'link',
      'add',
      'eth0',
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      server,
    ]);
    for (const [namespace, [v4, v6]] of [
      [node, addresses.node],
      [server, addresses.server],
    ] as const) {
      const lines = [
        ...['link set lo up', `address add ${v4}/24 dev eth0`, `address add ${v6}/64 dev eth0 nodad`],
        'link set eth0 up',
      ];
      await run('ip', ['-n', namespace, '-batch', '-'], { input: `${lines.join('\n')}\n` });
    }
    // Without them a packet to the address of a Service is refused before kube-proxy's rules can see it.
    await run('ip', ['-n', node, 'route', 'add', 'default', 'dev', 'eth0']);
    await run('ip', ['-n', node, '-6', 'route', 'add', 'default', 'dev', 'eth0']);
    start('socat', `UNIX-LISTEN:${socket},fork`, `TCP:${hostname}:${port}`);
    inside(node, 'socat', `TCP-LISTEN:${port},bind=${hostname},fork,reuseaddr`, `UNIX-CONNECT:${socket}`);
    const answer = "require('http').createServer((q, a) => a.end(q.socket.localAddress)).listen(8080, '::')";
    inside(server, process.execPath, '-e', answer);
  }

  it('are one a family, and each leads to the endpoints of its family', async () => {
    await makeService(client, ns, 'web', { ipFamilyPolicy: 'RequireDualStack' });
    const [v4, v6] = addresses.server;
    await writeSlice(client, ns, 'web', 'web-4', { endpoints: [endpoint(v4)] });
    await writeSlice(client, ns, 'web', 'web-6', { addressType: 'IPv6', endpoints: [endpoint(v6)] });
    await exportService(client, ns, 'web');
    const found = await eventually(
      'an address a family',
      () => readImport(client, ns, 'web'),
      state => state?.ips.length === 2,
    );
    const [vip4 = '', vip6 = ''] = found?.ips ?? [];
    expect(vip4).to.match(/^10\.96\./);
    expect(vip6).to.match(/^fd00:10:96::/);
    expect(found?.object.spec).to.deep.include({ ipFamilies: ['IPv4', 'IPv6'] });
    for (const [host, seen] of [
      [vip4, `::ffff:${v4}`],
      [`[${vip6}]`, v6],
    ] as const) {
      const ask = ['netns', 'exec', node, 'curl', '-sS', '-g', '--max-time', '3', `http://${host}`];
      let last = '';
      await until(
        async () => {
          const { stdout, stderr } = await tryRun('ip', ask);
          last = stdout || stderr;
          return stdout === seen;
        },
        { what: `an endpoint behind ${host}`, timeout: 60_000, interval: 200, detail: () => last },
      );
    }
  });
});
