/** The manifests of nri/manifests on a real API server: what the agent may do with nodes and pods, and what not. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../../api/meta.ts';
import { nriModeLabel } from '../../../api/names.ts';
import {
  apiVersion,
  namespaces,
  nodes,
  pods,
  type Resource,
  roleBindings,
  roles,
  serviceAccounts,
} from '../../../api/resource.ts';
import { kubeconfigAccess, tokenAccess } from '../../../kube/access.ts';
import { KubeClient, KubeError } from '../../../kube/client.ts';
import { type ControlPlane, startControlPlane } from '../../../lab/control-plane.ts';
import { until } from '../../../lab/until.ts';
import { gatewayInitTaint, removeGatewayTaint } from '../../../nri/gateway-taint.ts';
import { showMode } from '../../../nri/mode-label.ts';
import { silentLogger } from '../../../process/log.ts';

const namespace = 'nauti-system';
const account = 'nauti-nri';
const ofCluster = (group: string, kind: string, plural: string): Resource => ({
  ...{ group, version: 'v1', kind, plural },
  namespaced: false,
});
const kinds = [
  roles,
  roleBindings,
  ofCluster('rbac.authorization.k8s.io', 'ClusterRole', 'clusterroles'),
  ofCluster('rbac.authorization.k8s.io', 'ClusterRoleBinding', 'clusterrolebindings'),
  ofCluster('admissionregistration.k8s.io', 'ValidatingAdmissionPolicy', 'validatingadmissionpolicies'),
  ofCluster(
    'admissionregistration.k8s.io',
    'ValidatingAdmissionPolicyBinding',
    'validatingadmissionpolicybindings',
  ),
];

describe("nri's permissions on a real API server", function () {
  this.timeout(180_000);
  let directory: string;
  let plane: ControlPlane;
  let admin: KubeClient;
  let agent: KubeClient;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nauti-nri-permissions-'));
    plane = await startControlPlane({ directory });
    admin = new KubeClient(await kubeconfigAccess(plane.kubeconfig));
    await admin.create(namespaces, { metadata: { name: namespace } });
    await admin.create(serviceAccounts, { metadata: { namespace, name: account } });
    for (const file of ['role.yaml', 'admission.yaml', 'own-pod.yaml']) {
      const text = await readFile(new URL(`../../../nri/manifests/${file}`, import.meta.url), 'utf8');
      for (const document of parseAllDocuments(text)) {
        const object = document.toJS() as KubeObject;
        const resource = kinds.find(
          candidate => candidate.kind === object.kind && apiVersion(candidate) === object.apiVersion,
        );
        if (resource === undefined) throw new Error(`no resource for ${object.kind}`);
        await admin.create(resource, object);
      }
    }
    for (const name of ['node1', 'node2']) {
      const taints = [
        { key: 'other', effect: 'NoSchedule' },
        { key: gatewayInitTaint, effect: 'NoSchedule' },
      ];
      await admin.create(nodes, { metadata: { name }, spec: { taints } });
    }
    agent = new KubeClient(
      tokenAccess({ server: plane.server, ca: plane.ca, token: await tokenOnNode('node1') }),
    );
    await until(async () => (await refusal('node2', [])) !== undefined, {
      what: 'the policy holding',
      timeout: 60_000,
    });
    await admin.create(pods, agentPod('node2'));
    await until(async () => (await podRefusal('nri-node2', label('x', 'y'))) !== undefined, {
      what: 'the policy of pods holding',
      timeout: 60_000,
    });
  });
  after(async () => {
    agent?.close();
    admin?.close();
    await plane?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const agentPod = (nodeName: string) => ({
    metadata: { namespace, name: `nri-${nodeName}`, labels: { app: 'nri' } },
    spec: { nodeName, serviceAccountName: account, containers: [{ name: 'nri', image: 'none' }] },
  });

  /** The token of an agent's pod on a node. */
  async function tokenOnNode(nodeName: string): Promise<() => string> {
    const { metadata } = await admin.create(pods, agentPod(nodeName));
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: metadata.name, uid: metadata.uid };
    const answer = await admin.request({
      method: 'POST',
      path: `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { boundObjectRef } },
    });
    const { token } = (answer as { status: { token: string } }).status;
    return () => token;
  }

  /** A harmless change of a node by the agent, with more. @returns why it was refused. */
  async function refusal(name: string, body: unknown): Promise<string | undefined> {
    const patch =
      Array.isArray(body) && body.length === 0 ? [{ op: 'remove', path: '/spec/taints/1' }] : body;
    return refusalOf(`/api/v1/nodes/${name}?dryRun=All`, 'application/json-patch+json', patch);
  }

  const label = (key: string, value: string | null) => ({ metadata: { labels: { [key]: value } } });

  /** A change of a pod by the agent. @returns why it was refused. */
  function podRefusal(name: string, patch: unknown): Promise<string | undefined> {
    const path = `/api/v1/namespaces/${namespace}/pods/${name}?dryRun=All`;
    return refusalOf(path, 'application/strategic-merge-patch+json', patch);
  }

  async function refusalOf(path: string, contentType: string, body: unknown): Promise<string | undefined> {
    try {
      await agent.request({ method: 'PATCH', path, contentType, body });
      return undefined;
    } catch (error) {
      if (error instanceof KubeError && (error.status === 403 || error.status === 422)) return error.message;
      throw error;
    }
  }

  it('let it change no other node, and of its own nothing but the taint', async () => {
    expect(await refusal('node2', [])).to.contain('only the node that it runs on');
    expect(await refusal('node1', [])).to.equal(undefined);
    expect(await refusal('node1', [{ op: 'remove', path: '/spec/taints/0' }])).to.contain(
      'only take the taint',
    );
    const taint = { key: 'more', effect: 'NoExecute' };
    expect(await refusal('node1', [{ op: 'add', path: '/spec/taints/-', value: taint }])).to.contain(
      'only take',
    );
    expect(await refusal('node1', [{ op: 'add', path: '/metadata/labels', value: { a: 'b' } }])).to.contain(
      'nothing of a node but that taint',
    );
    expect(await refusal('node1', [{ op: 'add', path: '/spec/unschedulable', value: true }])).to.be.a(
      'string',
    );
  });

  it('let it take the taint off its own node, and again without harm', async () => {
    const signal = AbortSignal.timeout(60_000);
    for (let i = 0; i < 2; i++) await removeGatewayTaint(agent, 'node1', silentLogger(), signal);
    const taints = async (name: string) => {
      const node = await admin.get(nodes, { name });
      return ((node?.spec ?? {}) as { taints?: { key: string }[] }).taints?.map(({ key }) => key);
    };
    expect(await taints('node1'))
      .to.include('other')
      .and.not.include(gatewayInitTaint);
    expect(await taints('node2')).to.include(gatewayInitTaint);
  });

  it('let it show how it learns of pods, on its own pod and nowhere else', async () => {
    const signal = AbortSignal.timeout(60_000);
    const shown = async (node: string) =>
      (await admin.get(pods, { namespace, name: `nri-${node}` }))?.metadata.labels;
    for (const mode of ['nri', 'cri', 'cri'] as const) {
      await showMode({ client: agent, namespace, pod: 'nri-node1', mode }, signal);
      expect(await shown('node1')).to.deep.equal({ app: 'nri', [nriModeLabel]: mode });
    }
    // Before it has chosen, and where it does not know its pod, it asks for nothing.
    await showMode({ client: agent, namespace, pod: 'nri-node1', mode: 'none' }, signal);
    await showMode({ client: agent, namespace, pod: undefined, mode: 'nri' }, signal);
    expect(await shown('node1')).to.include({ [nriModeLabel]: 'cri' });
    expect(await podRefusal('nri-node2', label(nriModeLabel, 'nri'))).to.contain(
      'only the pod that it runs in',
    );
  });

  it('let it change nothing else of its pod', async () => {
    const own = (patch: unknown) => podRefusal('nri-node1', patch);
    expect(await own(label(nriModeLabel, 'nri'))).to.equal(undefined);
    for (const patch of [
      label(nriModeLabel, 'other'),
      label('app', 'nauti-crossdns'),
      label('app', null),
      label('more', 'of-it'),
    ])
      expect(await own(patch), JSON.stringify(patch)).to.contain('only the label nauti.io/nri-mode');
    for (const patch of [
      { metadata: { annotations: { a: 'b' } } },
      { metadata: { finalizers: ['example.com/stay'] } },
      {
        metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'node1', uid: 'made-up' }] },
      },
      { spec: { containers: [{ name: 'nri', image: 'another' }] } },
      { spec: { activeDeadlineSeconds: 1 } },
    ])
      expect(await own(patch), JSON.stringify(patch)).to.contain('nothing of its pod but a label');
    const path = `/api/v1/namespaces/${namespace}/pods/nri-node1`;
    expect(await refusalOf(`${path}/status`, 'application/merge-patch+json', { status: {} })).to.contain(
      'cannot patch resource "pods/status"',
    );
    expect(
      await refusalOf('/api/v1/namespaces/default/pods/x', 'application/merge-patch+json', {}),
    ).to.contain('cannot patch resource "pods"');
  });
});
