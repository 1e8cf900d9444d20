/**
 * The lab's promises about its own life. It takes the lab of this machine down, and leaves it up in its usual form.
 *
 * What is left on the machine is looked for here by other means than the lab itself uses.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { run, tryRun } from '../../lab/command.ts';
import { checkout } from '../../lab/tools.ts';
import { until } from '../../lab/until.ts';

const seconds = 1000;
const flat = ['--pod-networks', 'routed'] as const;

function lab(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return labOf(checkout, ...args);
}

function labOf(directory: string, ...args: string[]) {
  return tryRun(process.execPath, [join(directory, 'lab', 'main.ts'), ...args]);
}

async function labMust(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await lab(...args);
  expect(code, `lab ${args.join(' ')}: ${stderr}${stdout}`).to.equal(0);
  return stdout;
}

/** Ends a process that may have ended meanwhile: with the first one of a node all others of it go. */
function killAtOnce(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** What a lab may have left on this machine, by the machine's own tools. */
async function traces(): Promise<string[]> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  const links = (await run('ip', ['-o', 'link'])).split('\n');
  const namespaces = (await run('lsns', ['--noheadings', '--output', 'TYPE,PID,COMMAND'])).split('\n');
  const cgroups = await tryRun('find', ['/sys/fs/cgroup', '-maxdepth', '2', '-name', '*nauti*']);
  const files = await readdir(join(checkout, '.lab')).catch(() => []);
  const registered = await readdir('/run').catch(() => []);
  return [
    ...(await labProcesses()),
    ...mounts.filter(line => /nauti|\.lab\/|\/run\/netns/.test(line)),
    ...links.filter(line => /nauti/.test(line)),
    ...namespaces.filter(line => /nauti|containerd|node-boot|init\.sh/.test(line)),
    ...cgroups.stdout.split('\n').filter(Boolean),
    // The demo's log is for those who read it afterwards.
    ...files.filter(name => name !== 'bin' && name !== 'demo.log'),
    ...registered.filter(name => /nauti|netns/.test(name)),
  ];
}

/** Processes that run one of the lab's programs in the lab's state, except those of other tests' control planes. */
async function labProcesses(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter(name => /^\d+$/.test(name))) {
    const text = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
    if (/\.lab\/state|\/etc\/nauti-lab|\/run\/containerd|kubelet\.kubeconfig/.test(text))
      found.push(`${pid} ${text}`);
  }
  return found;
}

/** Process ids of the control planes and of the nodes' programs, by command line. */
async function longLived(): Promise<string[]> {
  return (await labProcesses()).filter(line => /kube-apiserver|etcd|init\.sh|kubelet/.test(line)).sort();
}

function startUp(): ChildProcess {
  return spawn(process.execPath, [join(checkout, 'lab', 'main.ts'), 'up'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

/** What "up" says when it begins with something, and so many milliseconds into that. */
type Moment = readonly [says: string, milliseconds: number];

/** Ends it at a moment of its work, however long it took to come there. */
async function killAt(child: ChildProcess, [says, milliseconds]: Moment): Promise<void> {
  const ended = new Promise(resolve => child.once('exit', resolve));
  const said = new Promise<void>(resolve => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', line => {
      if (line.includes(says)) resolve();
    });
  });
  await Promise.race([said.then(() => delay(milliseconds)), ended]);
  child.kill('SIGKILL');
  await ended;
}

async function kubectlJson(cluster: string, ...args: string[]): Promise<unknown> {
  return JSON.parse(await labMust('kubectl', cluster, ...args, '-o', 'json'));
}

async function podAddress(cluster: string, name: string): Promise<string> {
  const pod = (await kubectlJson(cluster, 'get', 'pod', name)) as { status: { podIP: string } };
  return pod.status.podIP;
}

/** nginx on the first node of a cluster, and a pod with curl. */
async function runPods(cluster: string): Promise<void> {
  const onFirst = JSON.stringify({ spec: { nodeName: `${cluster}-node1` } });
  await labMust('kubectl', cluster, 'run', 'web', '--image=nauti-lab/nginx:1', `--overrides=${onFirst}`);
  await labMust('kubectl', cluster, 'run', 'box', '--image=nauti-lab/toolbox:1');
  const ready = ['--for=condition=Ready', 'pod/web', 'pod/box', '--timeout=60s'];
  await labMust('kubectl', cluster, 'wait', ...ready);
}

const fetch = (cluster: string, url: string) =>
  lab('kubectl', cluster, 'exec', 'box', '--', 'curl', '-skm', '2', url);

/** A pod is ready as soon as its program runs, which is before nginx listens. */
const welcomes = (cluster: string, address: string) =>
  until(async () => (await fetch(cluster, `http://${address}`)).stdout.includes('Welcome to nginx'), {
    what: `nginx at ${address} answering in ${cluster}`,
    timeout: 60 * seconds,
  });

describe('lab', function () {
  this.timeout(480 * seconds);

  before(async () => {
    await labMust('tools', '--all');
    await labMust('down');
  });

  it('leaves nothing behind', async () => {
    expect(await traces()).to.eql([]);
    expect((await lab('status')).code).to.equal(1);
  });

  it('comes up with one flat pod network, and a second time without touching what runs', async () => {
    await labMust('up', ...flat);
    const before = await longLived();
    expect(before).to.have.length.greaterThan(9);
    await labMust('up', ...flat);
    expect(await longLived()).to.eql(before);
    await labMust('status');
    const other = await lab('up', '--pod-networks', 'overlapping');
    expect(other.stderr).to.contain('current value is routed');
  });

  it('leads all pods to all pods there', async () => {
    await Promise.all(['cluster1', 'cluster2'].map(runPods));
    const address = await podAddress('cluster1', 'web');
    expect(address).to.match(/^10\.241\.0\./);
    await welcomes('cluster2', address);
  });

  it('keeps a CoreDNS that was configured since', async () => {
    const patch = JSON.stringify({ data: { Corefile: '.:53 {\n    errors\n    ready\n    health\n}\n' } });
    await labMust('kubectl', 'hub', '-n', 'kube-system', 'patch', 'configmap', 'coredns', '--patch', patch);
    await labMust('up', ...flat);
    const after = (await kubectlJson('hub', '-n', 'kube-system', 'get', 'configmap', 'coredns')) as {
      data: { Corefile: string };
    };
    expect(after.data.Corefile).not.to.contain('kubernetes cluster.local');
  });

  it('refuses another checkout, which may end it all the same', async () => {
    const other = await mkdtemp(join(tmpdir(), 'nauti-other-'));
    try {
      await cp(join(checkout, 'lab'), join(other, 'lab'), { recursive: true });
      await cp(join(checkout, 'package.json'), join(other, 'package.json'));
      await symlink(join(checkout, 'node_modules'), join(other, 'node_modules'));
      await mkdir(join(other, '.lab'));
      const refused = await labOf(other, 'up');
      expect(refused.code).to.equal(1);
      expect(refused.stderr).to.contain(`belongs to ${checkout}`);
      await labMust('status');
      const down = await labOf(other, 'down');
      expect(down.code, down.stderr).to.equal(0);
      expect(await traces()).to.eql([]);
    } finally {
      await rm(other, { recursive: true });
    }
  });

  const moments: readonly Moment[] = [
    ['Network', 0],
    ['certificates', 0],
    ['control plane and nodes starting', 500],
    ['nodes joining', 1_500],
  ];
  for (const [says, milliseconds] of moments) {
    it(`goes down without a trace after SIGKILL of "up" ${milliseconds} ms into "${says}"`, async () => {
      await killAt(startUp(), [says, milliseconds]);
      await labMust('down');
      expect(await traces()).to.eql([]);
    });
  }

  it('goes on where a killed "up" was interrupted, as often as it takes', async () => {
    for (const moment of moments) await killAt(startUp(), moment);
    await labMust('up');
    await labMust('status');
  });

  // Those of its images go on with this one, and so does the demo.
  it('comes up from what a dead lab left', async () => {
    // More than once: what supervises the others may start one again before it is itself found.
    const deadline = performance.now() + 60 * seconds;
    for (let lines = await labProcesses(); lines.length > 0; lines = await labProcesses()) {
      expect(performance.now(), lines.join('\n')).to.be.below(deadline);
      for (const line of lines) killAtOnce(Number(line.split(' ')[0]));
    }
    expect((await lab('status')).code).to.equal(1);
    await labMust('up');
    await labMust('status');
  });

  it('loses a node and an API server, and gets them back', async () => {
    const { killApiServer, startApiServer, startNode, stopNode } = await import('../../lab/lab.ts');
    await stopNode('cluster1-node2');
    expect((await tryRun('ping', ['-c', '1', '-W', '1', '198.51.100.22'])).code).not.to.equal(0);
    expect((await lab('status')).stdout).to.match(/cluster1-node2 .* not running/);
    await startNode('cluster1-node2');
    await killApiServer('hub');
    expect((await lab('kubectl', 'hub', 'get', 'nodes')).code).not.to.equal(0);
    await startApiServer('hub');
    await labMust('status');
  });

  it('has overlapping pod networks: same addresses, no way between them, but to the hub', async () => {
    await Promise.all(['cluster1', 'cluster2'].map(runPods));
    const [first, second] = [await podAddress('cluster1', 'web'), await podAddress('cluster2', 'web')];
    expect([first, second].every(address => address.startsWith('10.244.0.'))).to.equal(true);
    await welcomes('cluster1', first);
    const onSecond = JSON.stringify({ spec: { nodeName: 'cluster1-node2' } });
    await labMust('kubectl', 'cluster1', 'run', 'far', '--image=nauti-lab/nginx:1', '--overrides', onSecond);
    await labMust('kubectl', 'cluster1', 'wait', '--for=condition=Ready', 'pod/far', '--timeout=60s');
    const far = await podAddress('cluster1', 'far');
    await welcomes('cluster1', far);
    expect((await fetch('cluster2', `http://${far}`)).code).not.to.equal(0);
    expect((await fetch('cluster2', 'https://198.51.100.10:6443/version')).stdout).to.contain('gitVersion');
    const emptied = ['cluster1', 'cluster2'].map(cluster =>
      labMust('kubectl', cluster, 'delete', 'pods', '--all', '--now'),
    );
    await Promise.all(emptied);
  });
});
