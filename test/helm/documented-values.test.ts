import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import {
  type Chart,
  chartPath,
  charts,
  helm,
  refusal,
  render,
  renderText,
  required,
  setArguments,
  type Values,
} from './helm.ts';
import { documentedValues, valuesTable, withoutAlignment } from './values.ts';

/** For each documented value another one than its default. */
const others: Readonly<Record<Chart, Values>> = {
  nauti: {
    'image.repository': 'registry.example:5000/nauti',
    'image.tag': 'v1',
    'image.pullPolicy': 'Always',
    'image.pullSecrets': ['pull'],
    'cluster.hub': true,
    'cluster.clusterID': 'centre',
    'cluster.sharenamespace': 'shared',
    'hub.hubURL': 'https://hub.example:6443',
    'hub.purgeAfter': '1h',
    'hub.replicas': 3,
    'hub.resources': { limits: { cpu: 2 } },
    'hub.priorityClassName': 'system-cluster-critical',
    'hub.nodeSelector': { role: 'infra' },
    'hub.tolerations': [{ operator: 'Exists' }],
    'hub.affinity': { podAffinity: {} },
    'tunnel.cidr': '10.64.0.0/10,2001:db8::/32',
    'tunnel.clusterPrefix': 20,
    'tunnel.clusterPrefix6': 80,
    'tunnel.endpoint': '198.51.100.10',
    'octopus.enabled': false,
    'octopus.replicas': 1,
    'octopus.hostNetwork': true,
    'octopus.wireguard': 'wireguard-go',
    'octopus.keyRotation': '1h',
    'octopus.forwarding': 'none',
    'octopus.resources': { limits: { cpu: 2 } },
    'octopus.priorityClassName': 'system-cluster-critical',
    'octopus.nodeSelector': { role: 'edge' },
    'octopus.tolerations': [{ operator: 'Exists' }],
    'octopus.affinity': { nodeAffinity: {} },
    'service.type': 'LoadBalancer',
    'service.port': 31821,
    'service.nodePort': 31821,
    'service.protocol': 'UDP',
    'service.targetPort': 31821,
    'serviceAccount.create': false,
    'serviceAccount.annotations': { 'example.org/role': 'a' },
    'serviceAccount.name': 'other',
    logLevel: 'debug',
    'networkPolicy.enabled': true,
    'networkPolicy.metricsFrom': [{ namespaceSelector: {} }],
    podLabels: { team: 'a' },
    podAnnotations: { 'example.org/note': 'b' },
  },
  'nauti-agent': {
    'image.repository': 'registry.example:5000/nauti',
    'image.tag': 'v1',
    'image.pullPolicy': 'Never',
    'image.pullSecrets': ['pull'],
    'cluster.clusterID': 'eu-west.cluster2',
    'cluster.hub': true,
    'cluster.sharenamespace': 'shared',
    'cluster.localnamespace': 'elsewhere',
    'cluster.zone': 'corp.example',
    'cluster.ispublic': true,
    'cluster.kubeovn': true,
    'hub.hubURL': 'https://[2001:db8::1]:6443',
    'hub.bootstraptoken': 'b3RoZXI',
    addresses: 'pod',
    'tunnel.cidr': '10.113.0.0/16',
    'tunnel.globalcidr': '10.112.0.0/12',
    'tunnel.endpoint': '198.51.100.20',
    'service.type': 'ClusterIP',
    'service.port': 31821,
    'service.nodePort': 31821,
    'service.protocol': 'UDP',
    'service.targetPort': 31821,
    'serviceAccount.create': false,
    'serviceAccount.annotations': { 'example.org/role': 'a' },
    'serviceAccount.name': 'other',
    logLevel: 'trace',
    'crossdns.clusterIP': 'fd00:10:96::b',
    'crossdns.ipFamilyPolicy': 'PreferDualStack',
    'crossdns.zones': ['clusterset.local=endpoints', 'example.org'],
    'crossdns.reverseZones': ['10.112.0.0/12', 'fd00:10::/32'],
    'crossdns.nodeFlags': '',
    'crossdns.dashboard.enabled': true,
    'crossdns.dashboard.labels': { team: 'a' },
    'crossdns.replicas': 1,
    'crossdns.resources': { requests: { memory: '1Gi' } },
    'crossdns.priorityClassName': '',
    'crossdns.nodeSelector': { role: 'infra' },
    'crossdns.tolerations': [{ operator: 'Exists' }],
    'crossdns.affinity': { podAffinity: {} },
    'clusterSetIP.enabled': false,
    'syncer.replicas': 1,
    'syncer.resources': { requests: { memory: '1Gi' } },
    'syncer.priorityClassName': 'high',
    'syncer.nodeSelector': { role: 'infra' },
    'syncer.tolerations': [{ operator: 'Exists' }],
    'syncer.affinity': { podAffinity: {} },
    'secondaryNetwork.enabled': false,
    'ovn.datapath': 'netdev',
    'ovn.underlay': 'eth1',
    'ovn.kubeovn.northbound': 'ssl:ovn-nb.kube-system.svc:6641',
    'ovn.kubeovn.secret': 'kube-ovn-tls',
    'ovnCentral.replicas': 3,
    'ovnCentral.storage.kind': 'claim',
    'ovnCentral.storage.className': 'fast',
    'ovnCentral.storage.size': '2Gi',
    'ovnCentral.resources': { requests: { memory: '1Gi' } },
    'ovnCentral.priorityClassName': 'high',
    'ovnCentral.nodeSelector': { role: 'infra' },
    'ovnCentral.tolerations': [{ key: 'a', operator: 'Exists' }],
    'ovnCentral.affinity': { podAffinity: {} },
    'ovs.chassisResources': { requests: { memory: '1Gi' } },
    'ovs.resources': { requests: { memory: '1Gi' } },
    'ovs.priorityClassName': 'high',
    'ovs.nodeSelector': { role: 'infra' },
    'ovs.tolerations': [{ key: 'a', operator: 'Exists' }],
    'ovs.affinity': { podAffinity: {} },
    'ovnController.networkMode': 'DUAL_STACK',
    'ovnController.isolation': false,
    'ovnController.replicas': 1,
    'ovnController.resources': { requests: { memory: '1Gi' } },
    'ovnController.priorityClassName': 'high',
    'ovnController.nodeSelector': { role: 'infra' },
    'ovnController.tolerations': [{ key: 'a', operator: 'Exists' }],
    'ovnController.affinity': { podAffinity: {} },
    'ovnPki.certificateLifetime': '24h',
    'ovnPki.resources': { requests: { memory: '1Gi' } },
    'ovnPki.priorityClassName': 'high',
    'ovnPki.nodeSelector': { role: 'infra' },
    'ovnPki.tolerations': [{ key: 'a', operator: 'Exists' }],
    'ovnPki.affinity': { podAffinity: {} },
    'nri.require': true,
    'nri.removeTaint': true,
    'nri.runtimeDirectory': '/run/crio',
    'nri.httpPort': 9999,
    'nri.resources': { requests: { memory: '1Gi' } },
    'nri.priorityClassName': 'high',
    'nri.nodeSelector': { role: 'infra' },
    'nri.tolerations': [{ key: 'a', operator: 'Exists' }],
    'nri.affinity': { podAffinity: {} },
    'octopus.replicas': 1,
    'octopus.wireguard': 'wireguard-go',
    'octopus.keyRotation': '1h',
    'octopus.forwarding': 'none',
    'octopus.resources': { limits: { cpu: 2 } },
    'octopus.priorityClassName': 'high',
    'octopus.nodeSelector': { role: 'edge' },
    'octopus.tolerations': [{ operator: 'Exists' }],
    'octopus.affinity': { nodeAffinity: {} },
    'networkPolicy.enabled': true,
    'networkPolicy.metricsFrom': [{ namespaceSelector: {} }],
    podLabels: { team: 'a' },
    podAnnotations: { 'example.org/note': 'b' },
  },
};

/** Other values without which one has no effect. */
const needed: Readonly<Record<Chart, Readonly<Record<string, Values>>>> = {
  nauti: {
    'networkPolicy.metricsFrom': { 'networkPolicy.enabled': true },
  },
  'nauti-agent': {
    'networkPolicy.metricsFrom': { 'networkPolicy.enabled': true },
    'cluster.sharenamespace': { 'cluster.hub': true },
    'crossdns.dashboard.labels': { 'crossdns.dashboard.enabled': true },
    'secondaryNetwork.enabled': { addresses: 'pod' },
    'tunnel.globalcidr': { 'tunnel.cidr': '10.113.0.0/16' },
    'ovn.datapath': { 'ovn.underlay': 'eth1' },
    ...under('ovn.kubeovn', { 'cluster.kubeovn': true }),
    ...under('ovnCentral', { 'ovnCentral.storage.kind': 'claim' }),
    'ovnCentral.storage.kind': {},
  },
};

/** For all values of a component. */
function under(component: string, values: Values): Record<string, Values> {
  const keys = charts
    .flatMap(chart => Object.keys(others[chart]))
    .filter(key => key.startsWith(`${component}.`));
  return Object.fromEntries(keys.filter(key => !(key in values)).map(key => [key, values]));
}

/** The only values that there are, or that take another's place: their tests stand below. */
const apart = new Set(['cluster.hub of nauti', 'hub.existingSecret of nauti-agent']);

const refused: Readonly<Record<Chart, Readonly<Record<string, readonly unknown[]>>>> = {
  nauti: {
    'image.pullPolicy': ['always'],
    'cluster.sharenamespace': ['', 'Shared', 'a.b'],
    'cluster.clusterID': ['', 'a_b'],
    'hub.hubURL': ['hub:6443', 'http://hub:6443'],
    'hub.purgeAfter': ['1d', '24'],
    'hub.replicas': [0, '2', 1.5],
    'tunnel.cidr': ['', '10.112.0.0', '10.112.0.0/33', 'any', '10.112.0.0/12, ::/8'],
    logLevel: ['verbose'],
    'tunnel.cdir': ['10.112.0.0/12'],
    tunnels: [{}],
  },
  'nauti-agent': {
    'cluster.clusterID': ['Cluster1', 'a.b.c', 'a_b', 7],
    'cluster.hub': ['yes'],
    'cluster.zone': ['', 'hyperos.local=ovn', 'a b'],
    'hub.hubURL': ['hub:6443', 'http://hub:6443', 'https://user@hub'],
    'hub.bootstraptoken': ['not a token', '"quoted"'],
    addresses: ['', 'node'],
    'tunnel.cidr': ['10.113.0.0', 'any', '10.113.0.0/16, fd00::/64'],
    'crossdns.clusterIP': ['kube-dns', '10.96.0'],
    'ovn.datapath': ['dpdk'],
    'ovn.underlay': ['eth 1', 'a-name-of-17-chars'],
    'ovn.kubeovn.northbound': ['ovn-nb', 'udp:ovn-nb:6641'],
    'ovnCentral.storage.kind': ['memory'],
    'ovnController.networkMode': ['IPV4'],
    'ovnPki.certificateLifetime': ['30d', '0h', '9m', '999999h'],
    'nri.runtimeDirectory': ['run/crio', '/run/a b'],
    'crossdns.replicas': [0],
    'crossdns.zones': ['clusterset.local', ['a b']],
    'crossdns.reverseZones': ['10.112.0.0/12', ['10.112.0.0']],
    'syncer.memory': ['1Gi'],
  },
};

const uncommented = (text: string) => text.replace(/^\s*#.*\n/gm, '');

for (const chart of charts) {
  describe(`chart ${chart}`, function () {
    this.timeout(120_000);

    it('passes helm lint --strict', async () => {
      const set = setArguments(required[chart]);
      const { code, stdout, stderr } = await helm('lint', '--strict', chartPath(chart), ...set);
      expect(code, stdout + stderr).to.equal(0);
    });

    it('describes each value in values.yaml, and says the same in README.md', async () => {
      const values = documentedValues(await readFile(chartPath(chart, 'values.yaml'), 'utf8'));
      expect(values.filter(value => value.description === '')).to.deep.equal([]);
      const readme = await readFile(chartPath(chart, 'README.md'), 'utf8');
      expect(withoutAlignment(readme)).to.contain(withoutAlignment(valuesTable(values)));
    });

    it('has a schema for each value, and no more', async () => {
      const values = documentedValues(await readFile(chartPath(chart, 'values.yaml'), 'utf8'));
      const known = values.map(value => value.key).filter(key => !apart.has(`${key} of ${chart}`));
      const tried = Object.keys(others[chart]).filter(key => !apart.has(`${key} of ${chart}`));
      expect(tried).to.have.members(known);
    });

    it('does with each value what its description says: something, or nothing yet', async () => {
      const values = documentedValues(await readFile(chartPath(chart, 'values.yaml'), 'utf8'));
      const usual = await renderText(chart);
      for (const { key, description } of values) {
        if (apart.has(`${key} of ${chart}`)) continue;
        const before = { ...required[chart], ...needed[chart][key] };
        const plain = needed[chart][key] === undefined ? usual : await renderText(chart, { values: before });
        const changed = await renderText(chart, { values: { ...before, [key]: others[chart][key] } });
        if (/no effect/i.test(description)) expect(changed, key).to.equal(plain);
        else expect(uncommented(changed), key).to.not.equal(uncommented(plain));
      }
    });

    it('takes all of them together', async () => {
      expect(await render(chart, { values: others[chart] })).to.not.deep.equal([]);
    });

    for (const [key, values] of Object.entries(refused[chart])) {
      for (const value of values) {
        it(`refuses ${key}=${JSON.stringify(value)}, and names it`, async () => {
          const message = await refusal(chart, { ...required[chart], [key]: value });
          expect(message).to.contain(key.split('.').at(-1));
        });
      }
    }
  });
}

describe('joining by the chart nauti-agent', function () {
  this.timeout(60_000);

  it('says what to run where there is no token', async () => {
    expect(await refusal('nauti-agent', { 'cluster.clusterID': 'cluster1' })).to.contain(
      'Cannot install as hub.bootstraptoken must be the join token of this cluster: run "kubectl nauti token create cluster1" on the hub, which prints the complete helm install line',
    );
  });

  it('says that there must be a cluster id', async () => {
    expect(await refusal('nauti-agent', { 'hub.bootstraptoken': 'c2VjcmV0' })).to.contain(
      'Cannot install as cluster.clusterID must be given: add --set cluster.clusterID=<id>',
    );
  });

  it('takes the token from a Secret that is there already', async () => {
    const objects = await render('nauti-agent', {
      values: { 'cluster.clusterID': 'cluster1', 'hub.existingSecret': 'given' },
    });
    expect(JSON.stringify(objects)).to.contain('"secretKeyRef":{"name":"given","key":"token"');
    expect(objects.filter(object => object.metadata.name === 'nauti-join-token')).to.deep.equal([]);
  });

  it('takes one way only', async () => {
    const values = { ...required['nauti-agent'], 'hub.existingSecret': 'given' };
    expect(await refusal('nauti-agent', values)).to.contain(
      'only one of hub.bootstraptoken and hub.existingSecret',
    );
  });

  it('needs no token for an upgrade', async () => {
    const objects = await render('nauti-agent', {
      values: { 'cluster.clusterID': 'cluster1' },
      isUpgrade: true,
    });
    expect(objects.some(object => object.metadata.name === 'nauti-hub-identity')).to.equal(true);
  });

  it('keeps the token out of everything but its Secret', async () => {
    const objects = await render('nauti-agent');
    const encoded = Buffer.from('c2VjcmV0').toString('base64');
    const having = objects.filter(
      object => /c2VjcmV0/.test(JSON.stringify(object)) || JSON.stringify(object).includes(encoded),
    );
    expect(having.map(object => `${object.kind} ${object.metadata.name}`)).to.deep.equal([
      'Secret nauti-join-token',
    ]);
  });
});
