import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { shareNamespace } from '../../../api/names.ts';
import { peers, roles, serviceAccounts } from '../../../api/resource.ts';
import { type CommandResult, tryRun } from '../../../lab/command.ts';
import { ensureTools } from '../../../lab/tools.ts';
import { until } from '../../../lab/until.ts';
import { decodeBootstrapToken } from '../../../membership/bootstrap-token.ts';
import { HubCluster, type RunningHub } from './hub-cluster.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const namespace = shareNamespace;

describe('kubectl nauti', () => {
  let hub: HubCluster;
  let running: RunningHub;
  let path: string;

  before(async function () {
    this.timeout(180_000);
    hub = await HubCluster.start();
    running = await hub.runHub();
    const tools = await ensureTools({ sets: ['kubernetes', 'helm'] });
    const plugins = join(hub.directory, 'plugins');
    await mkdir(plugins);
    await symlink(join(root, 'bin/kubectl-nauti.js'), join(plugins, 'kubectl-nauti'));
    path = `${tools}:${plugins}:${process.env.PATH}`;
  });

  after(async () => {
    await running?.[Symbol.asyncDispose]();
    await hub?.[Symbol.asyncDispose]();
  });

  const run = (command: string, args: readonly string[]): Promise<CommandResult> =>
    tryRun(command, args, {
      env: { PATH: path, KUBECONFIG: hub.plane.kubeconfig },
      cwd: root,
      signal: AbortSignal.timeout(60_000),
    });
  const nauti = (...args: string[]) => run('kubectl', ['nauti', ...args]);

  it('makes a token, and prints a command that installs the chart with it', async () => {
    const { code, stdout, stderr } = await nauti('token', 'create', 'cluster1', '--cidr', '10.113.0.0/16');
    expect(code).to.equal(0);
    expect(stderr).to.match(/^Warning: https:\/\/127\..* is reached from this machine only/);
    const [, command = ''] = /(helm install [\s\S]*VALUES\n)$/.exec(stdout) ?? [];
    // Word for word, but that it only renders.
    const rendered = await run('sh', ['-c', command.replace('helm install', 'helm template')]);
    expect(rendered.stderr).to.not.match(/Error/);
    expect(rendered.stdout).to.match(/kind: Deployment/);
    const token = /bootstraptoken: (\S+)/.exec(stdout)?.[1] ?? '';
    expect(decodeBootstrapToken(token)).to.include({ id: 'cluster1', namespace, url: hub.plane.server });
    await hub.join('cluster1', token);
    const peer = await until(() => hub.admin.get(peers, { namespace, name: 'cluster1' }), {
      what: 'the Peer of cluster1',
      timeout: 60_000,
    });
    expect(peer.spec).to.deep.include({ cluster_cidr: ['10.113.0.0/16'] });
  }).timeout(180_000);

  it('prints the token alone, or the values, for other programs', async () => {
    const token = await nauti(
      'token',
      'create',
      'piped',
      '-o',
      'token',
      '--ttl',
      '5m',
      '--hub-url',
      'https://198.51.100.10:6443',
    );
    expect(token.stderr).to.equal('');
    const { expiresAt, ...rest } = decodeBootstrapToken(token.stdout);
    expect(rest).to.include({ id: 'piped', url: 'https://198.51.100.10:6443', ca: hub.plane.ca });
    expect(Date.parse(expiresAt) - Date.now()).to.be.within(240_000, 300_000);
    const values = await nauti('token', 'create', 'piped', '-o', 'values');
    expect(values.stdout).to.match(
      /^cluster:\n {2}clusterID: piped\nhub:\n {2}hubURL: https.*\n {2}bootstraptoken: ey\S+\n$/,
    );
  });

  it("takes the URL that was said at the hub's installation", async () => {
    const annotations = { 'nauti.io/hub-url': 'https://hub.example.com' };
    await hub.admin.patch(
      roles,
      { namespace, name: 'nauti-member' },
      {
        contentType: 'application/merge-patch+json',
        body: { metadata: { annotations } },
      },
    );
    const { stdout } = await nauti('token', 'create', 'elsewhere', '-o', 'token');
    expect(decodeBootstrapToken(stdout).url).to.equal('https://hub.example.com');
  });

  it('lists and revokes tokens', async () => {
    await hub.token('waiting', { cidr: '10.119.0.0/16' });
    expect((await nauti('token', 'list')).stdout)
      .to.match(/^CLUSTER +AGE +EXPIRES IN +CIDR$/m)
      .and.match(/^waiting +\d+s +14m +10\.119\.0\.0\/16$/m);
    expect(await nauti('token', 'revoke', 'waiting')).to.include({
      code: 0,
      stdout: 'join token of waiting revoked\n',
    });
    expect(await nauti('token', 'revoke', 'waiting')).to.include({
      code: 1,
      stdout: 'there is no join token of waiting\n',
    });
    expect(await hub.admin.get(serviceAccounts, { namespace, name: 'member-waiting' })).to.equal(undefined);
  });

  it('shows the clusters', async () => {
    await hub.member('shown');
    await until(async () => (await nauti('status')).stdout.match(/^shown .* 10\./m) !== null, {
      what: 'shown in the status with its CIDR',
      timeout: 60_000,
    });
    const { stdout } = await nauti('status');
    expect(stdout).to.match(/^CLUSTER +STATE +LEASE +CIDR +ENDPOINT +NODES +EXPORTS +SLICES$/m);
    expect(stdout).to.match(/^hub +hub +10\.112\.0\.0\/12$/m);
    expect(stdout).to.match(/^shown +(alive|silent) +\d+s ago +10\.112\.0\.0\/16 +0 +0$/m);
    const json = JSON.parse((await nauti('status', '-o', 'json')).stdout) as {
      id: string;
      cidrs: string[];
    }[];
    expect(json.find(({ id }) => id === 'shown')?.cidrs).to.deep.equal(['10.112.0.0/16']);
  }).timeout(180_000);

  it('removes a cluster, and one that lives only with --yes', async () => {
    await hub.member('living');
    const refused = await nauti('remove', 'living');
    expect(refused.code).to.equal(1);
    expect(refused.stderr).to.match(
      /Cannot remove living as --yes must be given .* it renewed its lease \d+s ago/,
    );
    expect(await nauti('remove', 'living', '--yes')).to.include({
      code: 0,
      stdout: 'living removed, with 0 exports and 0 endpoint slices\n',
    });
    expect((await nauti('remove', 'living')).stderr).to.match(/must be a cluster of the hub/);
    expect((await nauti('remove', 'hub', '--yes')).stderr).to.match(/must not be the hub itself/);
  });

  it('says what is wrong, and exits with 2 for what cannot be meant', async () => {
    const cases: readonly (readonly [code: number, says: RegExp, ...args: string[]])[] = [
      [2, /It must be a cluster id/, 'token', 'create', 'Cluster_1'],
      [2, /It must be a duration from 30s to 24h/, 'token', 'create', 'x', '--ttl', '5'],
      [2, /missing required argument/, 'token', 'create'],
      [2, /unknown command/, 'frobnicate'],
      [2, /It must be a URL/, 'token', 'create', 'x', '--hub-url', 'http://198.51.100.10'],
      [2, /--namespace as it must be the name of a namespace/, 'status', '-n', 'A'],
      [1, /must not be the hub's own id/, 'token', 'create', 'hub'],
      [1, /must be free: cluster1 has 10\.113\.0\.0\/16/, 'token', 'create', 'x', '--cidr', '10.113.0.0/16'],
      [1, /the hub must be installed in this cluster/, 'token', 'create', 'x', '-n', 'default'],
      [1, /kubeconfig .* must be readable/, 'status', '--kubeconfig', '/nonexistent'],
      [1, /nowhere/, 'status', '--context', 'nowhere'],
    ];
    for (const [code, says, ...args] of cases) {
      const ran = await nauti(...args);
      expect(ran.stderr, args.join(' '))
        .to.match(says)
        .and.not.match(/^ +at /m);
      expect(ran.code, args.join(' ')).to.equal(code);
    }
  }).timeout(180_000);

  it('uses the context that it is told', async () => {
    const kubeconfig = join(hub.directory, 'two.kubeconfig');
    const { stdout } = await run('kubectl', ['config', 'view', '--raw', '--flatten', '-o', 'json']);
    const config = JSON.parse(stdout);
    config['current-context'] = 'broken';
    config.clusters.push({ name: 'broken', cluster: { server: 'https://127.0.0.1:9' } });
    config.contexts.push({ name: 'broken', context: { cluster: 'broken', user: config.users[0].name } });
    await writeFile(kubeconfig, JSON.stringify(config));
    expect((await nauti('status', '--kubeconfig', kubeconfig)).code).to.equal(1);
    const good = await nauti('status', '--kubeconfig', kubeconfig, '--context', config.contexts[0].name);
    expect(good.code, good.stderr).to.equal(0);
  });
});
