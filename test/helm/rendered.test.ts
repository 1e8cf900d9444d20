import { expect } from 'chai';
import type { KubeObject } from '../../api/meta.ts';
import { components } from '../../cli/components.ts';
import { processOptions } from '../../process/component.ts';
import { environmentName, type OptionSet, readOptions } from '../../process/options.ts';
import { type Chart, charts, render, required, type Values } from './helm.ts';

interface Container {
  readonly name: string;
  readonly args?: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  readonly resources: {
    readonly requests?: Record<string, string>;
    readonly limits?: Record<string, string>;
  };
  readonly securityContext: Record<string, unknown>;
  readonly volumeMounts?: readonly { readonly mountPath: string }[];
}

interface PodSpec {
  readonly serviceAccountName: string;
  readonly enableServiceLinks: boolean;
  readonly securityContext: Record<string, unknown>;
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** Read from the environment only, as they are no flags; or another name of one; the last two by the image's entry point and the C library. */
const withoutFlag = new Set([
  'NAUTI_BOOTSTRAP_TOKEN',
  'NAUTI_CIDR',
  'NODE_NAME',
  'NODE_FLAGS',
  'MALLOC_ARENA_MAX',
]);

function podsOf(
  objects: readonly KubeObject[],
  kinds: readonly string[] = ['Deployment', 'Job'],
): { readonly owner: string; readonly pod: PodSpec }[] {
  return objects
    .filter(({ kind }) => kinds.includes(kind ?? ''))
    .map(({ kind, metadata, spec }) => ({
      owner: `${kind} ${metadata.name}`,
      pod: (spec as { template: { spec: PodSpec } }).template.spec,
    }));
}

function rulesOf(objects: readonly KubeObject[], kind: string, name?: string): Rule[] {
  return objects
    .filter(object => object.kind === kind && (name === undefined || object.metadata.name === name))
    .flatMap(object => object.rules as Rule[]);
}

/** All containers of a pod. */
function containersOf({ initContainers = [], containers }: PodSpec): readonly Container[] {
  return [...initContainers, ...containers];
}

const workloads = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job'];
const secondary: Values = {
  ...required['nauti-agent'],
  'ovn.datapath': 'netdev',
  'ovn.underlay': 'eth1',
};

/** For clusters whose pods reach each other without a secondary network. */
const namesOnly: Values = {
  ...required['nauti-agent'],
  addresses: 'pod',
  'secondaryNetwork.enabled': false,
};

const cases: readonly (readonly [what: string, chart: Chart, values: Values])[] = [
  ...charts.map(chart => [`the chart ${chart}`, chart, required[chart]] as const),
  ['the chart nauti-agent without the secondary network', 'nauti-agent', namesOnly],
  ['the chart nauti-agent with OVN in user space', 'nauti-agent', secondary],
  [
    'the chart nauti-agent with databases of three',
    'nauti-agent',
    { ...secondary, 'ovnCentral.replicas': 3 },
  ],
  [
    'the chart nauti-agent with the secondary network on Kube-OVN',
    'nauti-agent',
    { ...secondary, 'cluster.kubeovn': true, 'ovn.kubeovn.secret': 'kube-ovn-tls' },
  ],
];

for (const [what, chart, values] of cases) {
  describe(`what ${what} makes`, function () {
    this.timeout(60_000);
    let objects: KubeObject[] = [];

    before(async () => {
      objects = await render(chart, { values: { ...values, 'networkPolicy.enabled': true } });
    });

    it('tells each component only what it knows, in values that it takes', async () => {
      for (const { owner, pod } of podsOf(objects, workloads)) {
        for (const { args, env } of containersOf(pod)) {
          // A script of OVN's.
          if (args === undefined) continue;
          const entry = components[args[0] ?? ''];
          if (entry === undefined) throw new Error(`${owner} runs ${args[0]}, which is no component`);
          const options: OptionSet = { ...(await entry.load()).options, ...processOptions };
          const known = new Set(Object.values(options).map(option => environmentName(option.flag)));
          const names = env.map(variable => variable.name);
          expect(
            names.filter(name => !known.has(name) && !withoutFlag.has(name)),
            owner,
          ).to.deep.equal([]);
          expect(new Set(names).size, owner).to.equal(names.length);
          // What the API server would say: of a pod its name, and else its namespace, node or address.
          const named = (from: unknown) => {
            const text = JSON.stringify(from);
            if (text.includes('status.podIPs')) return '10.244.0.7,fd00::7';
            return text.includes('metadata.name"') ? 'nauti-0' : 'nauti-system';
          };
          const values = env.map(({ name, value, valueFrom }) => [name, value ?? named(valueFrom)] as const);
          expect(() => readOptions(options, {}, Object.fromEntries(values)), owner).not.to.throw();
        }
      }
    });

    it('runs nothing as root, with a capability, or on a root file system that can be written', () => {
      expect(podsOf(objects)).to.not.deep.equal([]);
      for (const { owner, pod } of podsOf(objects)) {
        if (/^Deployment nauti-(hub-)?octopus$/.test(owner)) continue; // Its own test stands below.
        expect(pod.securityContext, owner).to.deep.include({ runAsNonRoot: true, runAsUser: 65532 });
        expect(pod.securityContext.seccompProfile, owner).to.deep.equal({ type: 'RuntimeDefault' });
        expect(pod.enableServiceLinks, owner).to.equal(false);
        for (const container of containersOf(pod)) {
          expect(container.securityContext, owner).to.deep.equal({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          });
          expect(container.resources.requests, owner).to.have.all.keys('cpu', 'memory');
          expect(container.resources.limits, owner).to.have.property('memory');
        }
      }
    });

    it('gives each component a ServiceAccount of its own, whose token is mounted only where a pod says so', () => {
      const accounts = objects.filter(object => object.kind === 'ServiceAccount');
      expect(accounts.map(account => account.automountServiceAccountToken)).to.satisfy((values: unknown[]) =>
        values.every(value => value === false),
      );
      const used = podsOf(objects).filter(({ owner }) => owner.startsWith('Deployment'));
      expect(new Set(used.map(({ pod }) => pod.serviceAccountName))).to.have.property('size', used.length);
    });

    it('allows no wildcard, no built-in role, and secrets only by name or to delete', () => {
      const rules = [...rulesOf(objects, 'Role'), ...rulesOf(objects, 'ClusterRole')];
      expect(rules).to.not.deep.equal([]);
      for (const rule of rules) {
        expect([...rule.apiGroups, ...rule.resources, ...rule.verbs]).to.not.include('*');
        if (rule.resources.includes('secrets') && rule.resourceNames === undefined) {
          expect(rule.verbs).to.deep.equal(['delete']);
        }
        expect(rule.resources).to.not.include.members(['pods/exec']);
        expect(rule.verbs).to.not.include.oneOf(['bind', 'escalate', 'impersonate']);
      }
      const made = new Set(
        objects
          .filter(object => /Role$/.test(object.kind ?? ''))
          .map(object => `${object.kind}/${object.metadata.name}`),
      );
      for (const binding of objects.filter(object => /RoleBinding$/.test(object.kind ?? ''))) {
        const { kind, name } = binding.roleRef as { kind: string; name: string };
        expect(made).to.include(`${kind}/${name}`);
      }
    });

    it('labels all objects as its own', () => {
      for (const { kind, metadata } of objects) {
        expect(metadata.labels, `${kind} ${metadata.name}`).to.include({
          'app.kubernetes.io/name': chart,
          'app.kubernetes.io/part-of': 'nauti',
          'app.kubernetes.io/managed-by': 'Helm',
        });
      }
    });

    it('takes a release whose name YAML reads as something else', async () => {
      const renamed = await render(chart, { values, release: 'n' });
      for (const { kind, metadata } of renamed)
        expect(metadata.labels?.['app.kubernetes.io/instance'], `${kind} ${metadata.name}`).to.equal('n');
    });

    it('has a disruption budget and a network policy for each Deployment, with the same selector', () => {
      const selectors = (kind: string, path: string) =>
        objects
          .filter(object => object.kind === kind)
          .map(({ spec }) => (spec as Record<string, unknown>)[path]);
      const deployments = [...selectors('Deployment', 'selector'), ...selectors('StatefulSet', 'selector')];
      expect(deployments).to.not.deep.equal([]);
      expect(selectors('PodDisruptionBudget', 'selector')).to.have.deep.members(deployments);
      expect(selectors('NetworkPolicy', 'podSelector')).to.have.deep.members(deployments);
    });
  });
}

describe('the gateway of both charts', function () {
  this.timeout(60_000);

  for (const [chart, name] of [
    ['nauti', 'nauti-hub-octopus'],
    ['nauti-agent', 'nauti-octopus'],
  ] as const) {
    it(`is a pod of ${chart} that may change its own network, and nothing else`, async () => {
      const objects = await render(chart);
      const gateway = podsOf(objects).find(({ owner }) => owner === `Deployment ${name}`);
      const [octopus] = gateway?.pod.containers ?? [];
      expect(octopus?.securityContext).to.deep.equal({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
      });
      expect(gateway?.pod).to.not.have.any.keys('hostNetwork', 'hostPID');
      const service = objects.find(({ kind, metadata }) => kind === 'Service' && metadata.name === name);
      expect(service?.spec).to.deep.include({ type: 'NodePort', externalTrafficPolicy: 'Local' });
    });

    it(`is two of ${chart}, and the Service leads to the one that carries the tunnels`, async () => {
      const objects = await render(chart);
      const [deployment, service] = ['Deployment', 'Service'].map(wanted =>
        objects.find(({ kind, metadata }) => kind === wanted && metadata.name === name),
      );
      expect(deployment?.spec).to.include({ replicas: 2 });
      expect(service?.spec).to.not.have.property('selector');
      const slices = objects.filter(({ kind }) => kind === 'EndpointSlice');
      expect(slices.map(({ metadata }) => metadata.name)).to.deep.equal([`${name}-ipv4`, `${name}-ipv6`]);
      for (const slice of slices) {
        expect(slice).to.not.have.property('endpoints');
        expect(slice.metadata.labels).to.include({ 'kubernetes.io/service-name': name });
      }
      const rule = rulesOf(objects, 'Role', name).find(({ resources }) =>
        resources.includes('endpointslices'),
      );
      expect(rule?.resourceNames).to.deep.equal(slices.map(({ metadata }) => metadata.name));
    });

    it(`has no container of ${chart} with privileges where the kubelets allow its sysctls, or somebody else sets them`, async () => {
      const podWith = async (forwarding: string, more = {}) => {
        const values = { ...required[chart], 'octopus.forwarding': forwarding, ...more };
        const found = podsOf(await render(chart, { values })).find(
          ({ owner }) => owner === `Deployment ${name}`,
        );
        return {
          inits: found?.pod.initContainers?.length ?? 0,
          sysctls: found?.pod.securityContext.sysctls,
        };
      };
      const own = [
        { name: 'net.ipv4.ip_forward', value: '1' },
        { name: 'net.ipv6.conf.all.forwarding', value: '1' },
      ];
      const nothing = { inits: 0, sysctls: undefined };
      expect(await podWith('init')).to.deep.equal({ inits: 1, sysctls: undefined });
      expect(await podWith('sysctls')).to.deep.equal({ inits: 0, sysctls: own });
      expect(await podWith('none')).to.deep.equal(nothing);
      if (chart !== 'nauti') return;
      // The kubelet refuses such sysctls for the network of the node.
      expect(await podWith('sysctls', { 'octopus.hostNetwork': true })).to.deep.equal(nothing);
    });

    it(`may touch nothing of the API of ${chart} but its own lease, keys and identity by name`, async () => {
      const namesOf = (resource: string, rules: readonly Rule[]) =>
        rules.filter(({ resources }) => resources.includes(resource)).flatMap(rule => rule.resourceNames);
      const rules = rulesOf(await render(chart), 'Role', name);
      expect(namesOf('leases', rules)).to.deep.equal([name]);
      expect(namesOf('secrets', rules)).to.deep.equal([`${name}-key`, 'nauti-hub-identity']);
    });
  }
});

describe('a gateway that is alone', function () {
  this.timeout(60_000);

  it('gets its address from the ovn-controller, and ends before the next one starts', async () => {
    const [two, one] = await Promise.all(
      [2, 1].map(async replicas => {
        const values = { ...required['nauti-agent'], 'octopus.replicas': replicas };
        const found = (await render('nauti-agent', { values })).find(
          ({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'nauti-octopus',
        );
        return JSON.stringify(found?.spec);
      }),
    );
    expect(two).to.contain('"nauti.io/gateway-address":"elected"').and.contain('NAUTI_CLUSTER_ADDRESS');
    expect(one).to.not.contain('gateway-address');
    expect(one).to.not.contain('NAUTI_CLUSTER_ADDRESS');
    expect(one).to.contain('"nauti.io/cnf":"true"').and.contain('"type":"Recreate"');
  });

  it('uses the network of its node where the hub is told so, and no Service', async () => {
    const objects = await render('nauti', { values: { 'octopus.hostNetwork': true } });
    const gateway = podsOf(objects).find(({ owner }) => owner === 'Deployment nauti-hub-octopus');
    expect(gateway?.pod).to.include({ hostNetwork: true });
    expect(objects.filter(({ kind }) => kind === 'Service' || kind === 'EndpointSlice')).to.deep.equal([]);
  });
});

describe('OVN by the chart nauti-agent', function () {
  this.timeout(60_000);
  let objects: KubeObject[] = [];
  const names = (found: readonly KubeObject[]) =>
    found.map(({ kind, metadata }) => `${kind} ${metadata.name}`);

  before(async () => {
    objects = await render('nauti-agent', { values: secondary });
  });

  it('is not there where pods need no second address, and on Kube-OVN only what gives addresses and NICs is', async () => {
    const ours = /ovn|ovs|nri|pod-addresses|octopus/;
    const without = await render('nauti-agent', { values: namesOnly });
    expect(names(without).filter(name => ours.test(name))).to.deep.equal([]);
    const values = { ...secondary, 'cluster.kubeovn': true };
    const running = (await render('nauti-agent', { values })).filter(({ kind }) =>
      workloads.includes(kind ?? ''),
    );
    expect(names(running).filter(name => ours.test(name))).to.have.members([
      'Deployment nauti-ovn-controller',
      'Deployment nauti-octopus',
      'DaemonSet nauti-nri',
    ]);
    expect(names(objects)).to.include.members([
      'Deployment nauti-ovn-controller',
      'Deployment nauti-ovn-pki',
      'StatefulSet nauti-ovn-central',
      'DaemonSet nauti-ovs',
      'DaemonSet nauti-nri',
    ]);
  });

  it('gives capabilities to those who need them, privileges to nobody, and a token to who speaks to the API', () => {
    const capabilities: Record<string, unknown> = {};
    for (const { owner, pod } of podsOf(objects, ['StatefulSet', 'DaemonSet'])) {
      for (const { name, securityContext, volumeMounts = [], args } of containersOf(pod)) {
        expect(securityContext, name).to.include({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
        });
        expect(securityContext).to.not.have.property('privileged');
        const { drop, add } = securityContext.capabilities as { drop: string[]; add?: string[] };
        expect(drop, name).to.deep.equal(['ALL']);
        if (add !== undefined) capabilities[`${owner} ${name}`] = add;
        if (owner.endsWith('nauti-nri')) continue;
        const hasToken = volumeMounts.some(({ mountPath }) => mountPath.includes('serviceaccount'));
        expect(hasToken, `${owner} ${name}`).to.equal(args?.[0] === 'ovn-certificate');
      }
    }
    expect(capabilities).to.deep.equal({
      'StatefulSet nauti-ovn-central own-directory': ['CHOWN', 'DAC_OVERRIDE'],
      'DaemonSet nauti-ovs switch': ['NET_ADMIN', 'NET_BROADCAST', 'NET_RAW', 'IPC_LOCK'],
      'DaemonSet nauti-ovs-clean clean': ['NET_ADMIN', 'DAC_OVERRIDE'],
      'DaemonSet nauti-nri nri': ['NET_ADMIN', 'SYS_ADMIN'],
    });
  });

  it('lets only the ovn-controller reach the northbound database, with or without networkPolicy.enabled', () => {
    const policy = objects.find(
      ({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name === 'nauti-ovn-central',
    );
    type Ingress = readonly { from?: unknown; ports: { port: string }[] }[];
    const { ingress } = (policy ?? { spec: {} }).spec as { ingress: Ingress };
    expect(ingress.map(({ from, ports }) => [ports[0]?.port, from === undefined])).to.deep.equal([
      ['nb', false],
      ['sb', true],
    ]);
    expect(JSON.stringify(ingress[0])).to.contain('"app.kubernetes.io/component":"ovn-controller"');
  });

  it('lets the databases of three speak to each other alone, and tells all where each of them is', async () => {
    const three = await render('nauti-agent', { values: { ...secondary, 'ovnCentral.replicas': 3 } });
    const policy = three.find(
      ({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name === 'nauti-ovn-central',
    );
    type Ingress = readonly { from?: unknown; ports: { port: string }[] }[];
    const members = ((policy ?? { spec: {} }).spec as { ingress: Ingress }).ingress.find(
      ({ ports }) => ports[0]?.port === 'members',
    );
    expect(JSON.stringify(members?.from)).to.contain('"app.kubernetes.io/component":"ovn-central"');
    // New members ask the one that stands alone at its northbound port: it has no other yet.
    expect(members?.ports.map(({ port }) => port)).to.deep.equal(['members', 'nb']);
    const central = podsOf(three, ['StatefulSet'])[0]?.pod;
    expect(central?.containers.map(({ name }) => name)).to.deep.equal(['nb', 'sb', 'northd', 'link']);
    expect(podsOf(objects, ['StatefulSet'])[0]?.pod.containers).to.have.length(3);
    const controller = podsOf(three).find(({ owner }) => owner === 'Deployment nauti-ovn-controller');
    const northbound = controller?.pod.containers[0]?.env.find(({ name }) => name === 'NAUTI_OVN_NB');
    expect(northbound?.value?.split(',')).to.deep.equal(
      [0, 1, 2].map(pod => `ssl:nauti-ovn-central-${pod}.nauti-ovn-central.nauti-system.svc:6641`),
    );
  });

  it('gives nodes their device ovn0 where clusterSetIP.enabled says so, and never where Kube-OVN has its own', async () => {
    const told = async (values: Values) =>
      podsOf(await render('nauti-agent', { values }), workloads).flatMap(({ owner, pod }) =>
        containersOf(pod).flatMap(({ env }) =>
          (env ?? [])
            .filter(({ name }) => name === 'NAUTI_CLUSTER_SET_IP')
            .map(({ value }) => `${owner}: ${value}`),
        ),
      );
    const [syncer, controller, agent] = [
      'Deployment nauti-syncer',
      'Deployment nauti-ovn-controller',
      'DaemonSet nauti-nri',
    ];
    expect(await told({ ...secondary, addresses: 'secondary' })).to.have.members([
      ...[`${syncer}: true`, `${controller}: true`, `${agent}: true`],
    ]);
    expect(await told({ ...secondary, 'clusterSetIP.enabled': false })).to.have.members([
      ...[`${syncer}: false`, `${controller}: false`, `${agent}: false`],
    ]);
    const kubeovn = { ...secondary, 'cluster.kubeovn': true };
    expect(await told({ ...kubeovn, addresses: 'secondary' })).to.have.members([
      ...[`${syncer}: false`, `${controller}: false`, `${agent}: false`],
    ]);
    expect(await told({ ...kubeovn, addresses: 'pod' })).to.have.members([
      ...[`${syncer}: true`, `${controller}: false`, `${agent}: false`],
    ]);
  });

  it('lets nri change nodes only where it is to take a taint off', async () => {
    const withTaint = await render('nauti-agent', { values: { ...secondary, 'nri.removeTaint': true } });
    const ofNodes = (found: readonly KubeObject[]) =>
      ['nauti-nri', 'nauti-nri-taint']
        .flatMap(name => rulesOf(found, 'ClusterRole', name))
        .filter(({ resources, verbs }) => resources.includes('nodes') && verbs.includes('patch'));
    expect(ofNodes(objects)).to.deep.equal([]);
    expect(ofNodes(withTaint)).to.have.length(1);
    expect(names(withTaint)).to.include('ValidatingAdmissionPolicy nauti-nri-own-node');
    // Of pods, in its own namespace, it may patch its own, which the policy sees to.
    expect(rulesOf(objects, 'Role', 'nauti-nri')).to.deep.equal([
      { apiGroups: [''], resources: ['pods'], verbs: ['patch'] },
    ]);
    expect(names(objects)).to.include('ValidatingAdmissionPolicyBinding nauti-nri-own-pod');
  });

  it('names the release’s namespace and ServiceAccounts wherever the manifests name the usual ones', async () => {
    const values = { ...secondary, 'serviceAccount.name': 'other', 'nri.removeTaint': true };
    const text = JSON.stringify(await render('nauti-agent', { values }));
    expect(text).to.contain('system:serviceaccount:nauti-system:other-ovn-controller');
    expect(text).to.contain('system:serviceaccount:nauti-system:other-nri');
    expect(text).to.not.contain('system:serviceaccount:nauti-system:nauti-');
  });
});

describe('least permission in a member cluster', function () {
  this.timeout(60_000);

  it('lets crossdns read two kinds, and nothing else', async () => {
    const objects = await render('nauti-agent');
    const rules = rulesOf(objects, 'ClusterRole', 'nauti-crossdns');
    expect(rules.flatMap(rule => rule.resources)).to.have.members(['serviceimports', 'endpointslices']);
    for (const rule of rules) expect(rule.verbs).to.deep.equal(['get', 'list', 'watch']);
    expect(rulesOf(objects, 'Role', 'nauti-crossdns')).to.deep.equal([]);
  });

  it('lets the syncer write Services only where it is to', async () => {
    const verbsOfServices = async (clusterSetIP: boolean) =>
      rulesOf(
        await render('nauti-agent', {
          values: { ...required['nauti-agent'], 'clusterSetIP.enabled': clusterSetIP },
        }),
        'ClusterRole',
        'nauti-syncer',
      )
        .filter(rule => rule.resources.includes('services'))
        .flatMap(rule => rule.verbs);
    expect(await verbsOfServices(false)).to.deep.equal(['get', 'list', 'watch', 'delete']);
    expect(await verbsOfServices(true)).to.deep.equal(['get', 'list', 'watch', 'delete', 'create', 'patch']);
  });
});

describe('both charts in one cluster', function () {
  this.timeout(60_000);

  it('make no object twice where the agent is told that the hub is there', async () => {
    const objects = [
      ...(await render('nauti')),
      ...(await render('nauti-agent', { values: { ...required['nauti-agent'], 'cluster.hub': true } })),
    ];
    const ids = objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).to.deep.equal([]);
  });

  it('have a namespace each: what is local would be lost among what is shared', async () => {
    const namespaces = async (chart: Chart, values: Values = required[chart]) =>
      (await render(chart, { values }))
        .filter(object => object.kind === 'Namespace')
        .map(({ metadata }) => metadata.name);
    const hub = { ...required['nauti-agent'], 'cluster.hub': true };
    expect(await namespaces('nauti')).to.deep.equal(['syncer-operator']);
    expect(await namespaces('nauti-agent')).to.deep.equal(['syncer-operator']);
    expect(await namespaces('nauti-agent', hub)).to.deep.equal(['syncer-operator-local']);
    const elsewhere = { ...hub, 'cluster.localnamespace': 'imports' };
    expect(await namespaces('nauti-agent', elsewhere)).to.deep.equal(['imports']);
    expect(JSON.stringify(await render('nauti-agent', { values: hub }))).to.not.contain('"syncer-operator"');
  });
});
