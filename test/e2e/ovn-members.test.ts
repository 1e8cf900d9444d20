import { join } from 'node:path';
import { expect } from 'chai';
import { run } from '../../lab/command.ts';
import { kubeconfigPath } from '../../lab/paths.ts';
import { checkout, toolPath } from '../../lab/tools.ts';
import { eventually } from './eventually.ts';
import { kubectl, tryKubectl } from './kubectl.ts';
import { dropNamespace, freshNamespace } from './namespaces.ts';
import { rolledOut as agentsRolledOut } from './nic-network.ts';
import { run as runInPod, startToolbox } from './toolbox.ts';

const cluster = 'cluster1';
const namespace = 'e2e-members';
const system = ['-n', 'nauti-system'];
const databases = { nb: 'OVN_Northbound', sb: 'OVN_Southbound' } as const;
type Kind = keyof typeof databases;

/** What a member says of its cluster. */
interface Membership {
  readonly role: string;
  /** Addresses, one a member. */
  readonly servers: readonly string[];
  readonly id: string;
}

/** OVN's databases by RAFT: three on two nodes, of which the leader is killed and another one emptied. */
describe('OVN’s databases as a cluster of three', function () {
  this.timeout(240_000);

  before(async () => {
    await agentsRolledOut(cluster);
    await freshNamespace(namespace, [cluster]);
    await givesNic('first');
  });
  after(async () => {
    await dropNamespace(namespace, [cluster]);
    await replicas(1);
  });

  const inMember = (number: number, kind: Kind, ...command: string[]) =>
    tryKubectl(cluster, ['exec', ...system, `nauti-ovn-central-${number}`, '-c', kind, '--', ...command]);

  async function membership(number: number, kind: Kind): Promise<Membership> {
    const status = ['ovs-appctl', '-t', `/run/ovn/ovn${kind}_db.ctl`, 'cluster/status', databases[kind]];
    const { stdout } = await inMember(number, kind, ...status);
    return {
      role: /^Role: (.*)$/m.exec(stdout)?.[1] ?? '',
      servers: [...stdout.matchAll(/ at (tcp:[0-9.:]+)\)/g)].map(([, address = '']) => address).sort(),
      id: /^Server ID: (\w+)/m.exec(stdout)?.[1] ?? '',
    };
  }

  async function leader(kind: Kind): Promise<number> {
    const { answer } = await eventually(
      `a leader of ${kind}`,
      60_000,
      async () => {
        for (const number of [0, 1, 2]) if ((await membership(number, kind)).role === 'leader') return number;
        return -1;
      },
      number => number >= 0,
    );
    return answer;
  }

  /** The addresses of a pod's logical port. */
  async function addressesOf(pod: string): Promise<string> {
    const find = ['--bare', '--columns=addresses', 'find', 'Logical_Switch_Port', `name=${pod}.${namespace}`];
    const db = ['--no-leader-only', '--db=unix:/run/ovn/ovnnb_db.sock'];
    return (await inMember(0, 'nb', 'ovn-nbctl', ...db, ...find)).stdout.trim();
  }

  async function replicas(count: number): Promise<void> {
    await run(toolPath('helm'), [
      ...['--kubeconfig', kubeconfigPath(cluster), 'upgrade', 'nauti-agent'],
      ...[join(checkout, 'helm', 'nauti-agent'), ...system, '--reset-then-reuse-values'],
      ...['--set', `ovnCentral.replicas=${count}`],
    ]);
    await rolledOut('statefulset/nauti-ovn-central');
    await rolledOut('deployment/nauti-ovn-controller');
  }

  const rolledOut = (what: string) =>
    kubectl(cluster, ['rollout', 'status', what, ...system, '--timeout=110s']);

  /** Waits until the pod of a member that was killed is there again, and ready. */
  async function memberReady(number: number): Promise<void> {
    const condition = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}';
    await eventually(
      `member ${number} being ready`,
      110_000,
      () => kubectl(cluster, ['get', 'pod', `nauti-ovn-central-${number}`, ...system, '-o', condition]),
      status => status === 'True',
    );
  }

  /** A new pod gets its address and its NIC: all of OVN and of ours works. */
  async function givesNic(name: string): Promise<void> {
    const pod = await startToolbox(cluster, namespace, name);
    await eventually(
      `${name} having eth-ovn with an address`,
      60_000,
      () => runInPod(pod, 'ip', 'address', 'show', 'eth-ovn'),
      ({ stdout }) => stdout.includes(' inet 10.'),
    );
  }

  const hasAllMembers = (number: number, kind: Kind) =>
    eventually(
      `member ${number} of ${kind} knowing three members`,
      60_000,
      () => membership(number, kind),
      ({ servers }) =>
        servers.join() === [1, 2, 3].map(one => `tcp:127.1.0.${one}:${kind === 'nb' ? 6643 : 6644}`).join(),
    );

  it('grows from one, with the addresses that there are', async () => {
    const before = await addressesOf('first');
    expect(before).to.contain('10.');
    await replicas(3);
    // With a hostPath the scheduler may have put the first member where its file is not: it is filled again then.
    await eventually(
      'first having its addresses',
      60_000,
      () => addressesOf('first'),
      found => found === before,
    );
    for (const number of [0, 1, 2])
      for (const kind of ['nb', 'sb'] as const) await hasAllMembers(number, kind);
  });

  it('goes on without the leader', async () => {
    const killed = await leader('nb');
    await kubectl(cluster, [
      ...['delete', 'pod', `nauti-ovn-central-${killed}`, ...system],
      ...['--force', '--grace-period=0'],
    ]);
    await givesNic('second');
    await memberReady(killed);
  });

  it('takes a member back that has lost its volume, in the place of what it was', async () => {
    const lost = ((await leader('nb')) + 1) % 3;
    const before = await membership(lost, 'nb');
    await inMember(lost, 'nb', 'sh', '-c', 'rm /var/lib/ovn/*');
    await kubectl(cluster, [
      ...['delete', 'pod', `nauti-ovn-central-${lost}`, ...system],
      ...['--force', '--grace-period=0'],
    ]);
    await memberReady(lost);
    for (const kind of ['nb', 'sb'] as const) await hasAllMembers(lost, kind);
    expect((await membership(lost, 'nb')).id).to.not.equal(before.id);
    await givesNic('third');
  });
});
