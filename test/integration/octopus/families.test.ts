/** IPv6 outside and both families inside; pre-shared keys; the hub's gateway with the permissions that it has in its pod. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseAllDocuments, stringify } from 'yaml';
import type { KubeObject } from '../../../api/meta.ts';
import {
  leases,
  type Resource,
  roleBindings,
  roles,
  secrets,
  serviceAccounts,
} from '../../../api/resource.ts';
import { until } from '../../../lab/until.ts';
import { World } from './world.ts';

const flags = ['--probe-interval', '300ms'];
const namespace = 'nauti-system';

function clusterWide(of: Resource, kind: string, plural: string): Resource {
  return { ...of, kind, plural, namespaced: false };
}

const kinds = [
  roles,
  roleBindings,
  clusterWide(roles, 'ClusterRole', 'clusterroles'),
  clusterWide(roles, 'ClusterRoleBinding', 'clusterrolebindings'),
];

/** What the chart installs for the gateway, and a kubeconfig of its ServiceAccount. */
async function asInPod(world: World): Promise<string> {
  const { admin, plane, directory } = world.hub;
  await admin.create(serviceAccounts, { metadata: { namespace, name: 'nauti-octopus' } });
  await admin.create(leases, { metadata: { namespace, name: 'nauti-octopus' }, spec: {} });
  await admin.create(secrets, { metadata: { namespace, name: 'nauti-octopus-key' } });
  for (const file of ['role.yaml', 'hub-role.yaml']) {
    const text = await readFile(new URL(`../../../octopus/manifests/${file}`, import.meta.url), 'utf8');
    for (const document of parseAllDocuments(text)) {
      const object = document.toJS() as KubeObject;
      const kind = kinds.find(one => one.kind === object.kind);
      if (kind === undefined) throw new Error(`no resource for ${object.kind}`);
      await admin.create(kind, object);
    }
  }
  const answer = await admin.request({
    method: 'POST',
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/nauti-octopus/token`,
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} },
  });
  const { token } = (answer as { status: { token: string } }).status;
  const path = join(directory, 'gateway.kubeconfig');
  const cluster = {
    server: plane.server,
    'certificate-authority-data': Buffer.from(plane.ca).toString('base64'),
  };
  const config = {
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'x' },
    clusters: [{ name: 'x', cluster }],
    users: [{ name: 'x', user: { token } }],
    contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
  };
  await writeFile(path, stringify(config), { mode: 0o600 });
  return path;
}

describe('octopus: both families, pre-shared keys, permissions', function () {
  this.timeout(180_000);
  let world: World;
  let secretFile: string;

  before(async () => {
    world = await World.start('ocf', [
      { id: 'hub', address: '198.51.100.1', address6: '2001:db8::1' },
      { id: 'm1', address: '198.51.100.2', address6: '2001:db8::2', block: '10.113.0.0/16', mtu: 1_400 },
      { id: 'm2', address: '198.51.100.3', address6: '2001:db8::3', block: '10.114.0.0/16' },
    ]);
    await world.makePeer('hub', { cluster_cidr: ['10.112.0.0/12', 'fd00:10::/32'], ishub: true });
    for (const [id, number] of [
      ['m1', 113],
      ['m2', 114],
    ] as const) {
      await world.makePeer(id, { cluster_cidr: [`10.${number}.0.0/16`, `fd00:10:${number}::/64`] });
      await world.network.exec(`gw-${id}`, 'ip', [
        'address',
        'add',
        `fd00:10:${number}::1/64`,
        'dev',
        'eth-ovn',
        'nodad',
      ]);
      await world.network.exec(`pod-${id}`, 'ip', [
        'address',
        'add',
        `fd00:10:${number}::5/64`,
        'dev',
        'br0',
        'nodad',
      ]);
      await world.network.exec(`pod-${id}`, 'ip', [
        'route',
        'add',
        'fd00:10::/32',
        'via',
        `fd00:10:${number}::1`,
      ]);
    }
    secretFile = join(world.hub.directory, 'mesh-secret');
    await writeFile(secretFile, 'a secret that the hub does not have\n');
    const kubeconfig = await asInPod(world);
    await world.gateway('hub', ['--endpoint', '2001:db8::1', '--kubeconfig', kubeconfig, ...flags]);
    await world.gateway('m1', ['--endpoint', '2001:db8::2', '--mesh-secret-file', secretFile, ...flags]);
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
  });

  const path = (wanted: string) =>
    until(
      async () =>
        (await world.peer('m1')).status.tunnels.some(one => one.cluster_id === 'm2' && one.path === wanted),
      {
        what: `the path from m1 to m2 being ${wanted}`,
        timeout: 60_000,
        detail: () => world.logs(),
      },
    );

  it('without the secret of the others there is no direct tunnel; packets go by the hub', async () => {
    const gateway = await world.gateway('m2', ['--endpoint', '2001:db8::3', ...flags]);
    await world.reaches('m1', '10.114.0.5');
    expect((await world.peer('m1')).status.tunnels.find(one => one.cluster_id === 'm2')?.state).to.not.equal(
      'Connected',
    );
    await gateway.stop();
  });

  it('with it there is one, over IPv6, for both families', async () => {
    await world.gateway('m2', ['--endpoint', '2001:db8::3', '--mesh-secret-file', secretFile, ...flags]);
    await path('Direct');
    await world.reaches('m1', '10.114.0.5');
    await world.reaches('m1', 'fd00:10:114::5');
    await world.reaches('m2', 'fd00:10:113::5');
    expect(await world.wg('m1', ['show', 'wg0', 'endpoints'])).to.include('[2001:db8::3]:31820');
    const keys = (await world.wg('m1', ['show', 'wg0', 'preshared-keys']))
      .trim()
      .split('\n')
      .map(line => line.split('\t')[1]);
    expect(keys.filter(key => key !== '(none)')).to.have.length(1);
  });

  it('a cluster behind a narrower underlay gets a route of its own', async () => {
    await until(
      async () =>
        (await world.network.exec('gw-m2', 'ip', ['route', 'show', 'proto', '157'])).includes(
          '10.113.0.0/16 dev wg0 scope link mtu 1320',
        ),
      {
        what: 'the route with the MTU of m1',
        timeout: 60_000,
        detail: () => world.network.exec('gw-m2', 'ip', ['route', 'show', 'proto', '157']),
      },
    );
  });

  it('nft takes the rules of both families, and they let errors and neighbours pass', async () => {
    const rules = await world.network.exec('gw-m1', 'nft', ['list', 'table', 'inet', 'nauti_octopus']);
    expect(rules)
      .to.include('fd00:10::/32')
      .and.include('maxseg size set 1280')
      .and.include('maxseg size set 1260');
  });

  it('the hub’s gateway can do what it must, and nothing was refused to it', async () => {
    const { conditions } = (await world.peer('m1')).status;
    expect(conditions.map(({ type }) => type)).to.include('TunnelAccepted');
    expect(world.running('hub').log).to.not.match(/forbidden/i);
  });

  it('ends with 2 and a sentence for options that cannot be', async () => {
    await world.running('m2').stop();
    const gateway = await world.gateway('m2', ['--probe-interval', '1ms']);
    await until(() => gateway.exitCode !== null, { what: 'its end', timeout: 60_000 });
    expect(gateway.exitCode).to.equal(2);
    expect(gateway.log).to.include('Cannot use --probe-interval as it must be 50ms or more');
  });
});

describe('octopus: no IPv6', function () {
  this.timeout(120_000);
  const members = ['m1', 'm2'] as const;
  const addresses = { hub: '198.51.100.1', m1: '198.51.100.2', m2: '198.51.100.3' } as const;
  let world: World;

  before(async () => {
    world = await World.start('oc4', [
      { id: 'hub', address: addresses.hub },
      { id: 'm1', address: addresses.m1, block: '10.113.0.0/16' },
      { id: 'm2', address: addresses.m2, block: '10.114.0.0/16' },
    ]);
    const off =
      'for device in all default eth0; do echo 1 > /proc/sys/net/ipv6/conf/$device/disable_ipv6; done';
    for (const [id, address] of Object.entries(addresses)) {
      await world.network.exec(`gw-${id}`, 'sh', ['-c', off]);
      await world.gateway(id, ['--endpoint', address]);
    }
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
  });

  it('packets flow, though no tunnel can be probed, and gateways are named to the others', async () => {
    await world.reaches('m1', '10.114.0.5');
    for (const id of members) expect((await world.peer(id)).spec.endpoint).to.equal(addresses[id]);
  });
});
