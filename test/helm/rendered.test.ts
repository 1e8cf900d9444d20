import { expect } from 'chai';
import type { KubeObject } from '../../api/meta.ts';
import { components } from '../../cli/components.ts';
import { processOptions } from '../../process/component.ts';
import { environmentName, type OptionSet, readOptions } from '../../process/options.ts';
import { type Chart, charts, render, required, type Values } from './helm.ts';

interface Container {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  readonly resources: {
    readonly requests?: Record<string, string>;
    readonly limits?: Record<string, string>;
  };
  readonly securityContext: Record<string, unknown>;
}

interface PodSpec {
  readonly serviceAccountName: string;
  readonly enableServiceLinks: boolean;
  readonly securityContext: Record<string, unknown>;
  readonly containers: readonly Container[];
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** Read from the environment only, as they are no flags; the last by the image's entry point. */
const withoutFlag = new Set(['NAUTI_BOOTSTRAP_TOKEN', 'NAUTI_CIDR', 'NODE_FLAGS']);

function podsOf(objects: readonly KubeObject[]): { readonly owner: string; readonly pod: PodSpec }[] {
  return objects
    .filter(object => object.kind === 'Deployment' || object.kind === 'Job')
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

for (const chart of charts) {
  describe(`what the chart ${chart} makes`, function () {
    this.timeout(60_000);
    let objects: KubeObject[] = [];

    before(async () => {
      objects = await render(chart, { values: { ...required[chart], 'networkPolicy.enabled': true } });
    });

    it('tells each component only what it knows, in values that it takes', async () => {
      for (const { owner, pod } of podsOf(objects)) {
        for (const { args, env } of pod.containers) {
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
          const values = env.map(({ name, value }) => [name, value ?? 'nauti-system'] as const);
          expect(() => readOptions(options, {}, Object.fromEntries(values)), owner).not.to.throw();
        }
      }
    });

    it('runs nothing as root, with a capability, or on a root file system that can be written', () => {
      expect(podsOf(objects)).to.not.deep.equal([]);
      for (const { owner, pod } of podsOf(objects)) {
        expect(pod.securityContext, owner).to.deep.include({ runAsNonRoot: true, runAsUser: 65532 });
        expect(pod.securityContext.seccompProfile, owner).to.deep.equal({ type: 'RuntimeDefault' });
        expect(pod.enableServiceLinks, owner).to.equal(false);
        for (const container of pod.containers) {
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

    it('has a disruption budget and a network policy for each Deployment, with the same selector', () => {
      const selectors = (kind: string, path: string) =>
        objects
          .filter(object => object.kind === kind)
          .map(({ spec }) => (spec as Record<string, unknown>)[path]);
      const deployments = selectors('Deployment', 'selector');
      expect(deployments).to.not.deep.equal([]);
      expect(selectors('PodDisruptionBudget', 'selector')).to.have.deep.members(deployments);
      expect(selectors('NetworkPolicy', 'podSelector')).to.have.deep.members(deployments);
    });
  });
}

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
          values: { ...required['nauti-agent'], 'syncer.clusterSetIP': clusterSetIP },
        }),
        'ClusterRole',
        'nauti-syncer',
      )
        .filter(rule => rule.resources.includes('services'))
        .flatMap(rule => rule.verbs);
    expect(await verbsOfServices(false)).to.deep.equal(['get', 'list', 'watch']);
    expect(await verbsOfServices(true)).to.deep.equal(['get', 'list', 'watch', 'create', 'patch', 'delete']);
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
