/**
 * A node for tests of the agent: namespaces of its own with a real containerd (its usual sockets), a real Open vSwitch
 * in user space, and a way to the test's API server. All of it ends with one process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeCgroup, rootCgroup } from '../../../lab/cgroups.ts';
import { run } from '../../../lab/command.ts';
import { ensureNodeImages } from '../../../lab/node-image-store.ts';
import { pauseImage } from '../../../lab/node-plan.ts';
import { ensureTools } from '../../../lab/tools.ts';
import { until } from '../../../lab/until.ts';
import { commandLine, sharedFile } from '../../../ovsdb-client/testing/programs.ts';

/** The node's tunnel address, on a device `eth0` with the usual MTU. */
const encapAddress = '203.0.113.1';

const ovsRun = '/run/openvswitch';

export class TestNode implements AsyncDisposable {
  readonly name = 'node1';
  readonly directory: string;
  readonly cgroup: string;
  /** The end of what containerd logged. */
  containerdLog = '';
  readonly #tools: string;
  readonly #holder: ChildProcess;
  readonly #pid: number;
  readonly #programs = new Map<string, ChildProcess>();
  readonly #servers: Server[] = [];

  private constructor(directory: string, tools: string, holder: ChildProcess, pid: number, cgroup: string) {
    this.directory = directory;
    this.#tools = tools;
    this.#holder = holder;
    this.#pid = pid;
    this.cgroup = cgroup;
  }

  /** @param apiServer URL of the test's API server, on a loopback address. */
  static async start(apiServer: string): Promise<TestNode> {
    const tools = await ensureTools({ sets: ['containerd'] });
    const images = await ensureNodeImages({});
    const directory = await mkdtemp(join(tmpdir(), 'nauti-node-'));
    await images.fill(join(directory, 'containerd'));
    const holder = spawn(
      // The kernel ends it with this process, whatever ends that.
      'setpriv',
      [
        ...[
          '--pdeathsig',
          'KILL',
          '--',
          'unshare',
          '--mount',
          '--net',
          '--uts',
          '--ipc',
          '--pid',
          '--fork',
          '--mount-proc',
          '--kill-child',
        ],
        ...['sh', '-euc', boot, 'sh', encapAddress],
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await new Promise(resolve => holder.stdout?.once('data', resolve));
    const children = await readFile(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8');
    const node = new TestNode(
      directory,
      tools,
      holder,
      Number(children.trim()),
      `nri-${process.pid}-${holder.pid}`,
    );
    await node.#openWayTo(new URL(apiServer));
    await Promise.all([node.startContainerd(), node.startSwitch()]);
    return node;
  }

  /** The command that runs another one in the node. */
  commandIn(command: string, args: readonly string[]): [string, string[]] {
    return ['nsenter', ['-t', String(this.#pid), '-m', '-n', '-u', '-i', '-p', '--', command, ...args]];
  }

  /** Runs a program in the node. @returns what it printed. */
  run(command: string, ...args: readonly string[]): Promise<string> {
    const [program, words] = this.commandIn(command, args);
    return run(program, words);
  }

  /** A path of the node as the machine reaches it. */
  path(path: string): string {
    return join(`/proc/${this.#pid}/root`, path);
  }

  /** Starts a program in the node, under a name by which it can be ended. */
  start(
    name: string,
    command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = process.env,
  ): ChildProcess {
    const [program, words] = this.commandIn(command, args);
    const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'], env });
    this.#programs.set(name, child);
    return child;
  }

  /** Ends a program and waits for that. nsenter passes no signals on: the program itself gets it. */
  async end(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    const child = this.#programs.get(name);
    if (child === undefined) throw new Error(`Cannot end ${name} as it must have been started`);
    this.#programs.delete(name);
    if (child.exitCode !== null) return child.exitCode;
    const ended = new Promise<number | null>(resolve => child.once('exit', resolve));
    process.kill((await programIn(child)) ?? child.pid ?? 0, signal);
    return ended;
  }

  /** Lets a program stand still while something is done. */
  async whileStopped(name: string, work: () => Promise<void>): Promise<void> {
    const child = this.#programs.get(name);
    const pid = child && (await programIn(child));
    if (pid === undefined) throw new Error(`Cannot stop ${name} as it must run`);
    process.kill(pid, 'SIGSTOP');
    try {
      await work();
    } finally {
      process.kill(pid, 'SIGCONT');
      // nsenter stops with what it runs.
      child?.kill('SIGCONT');
    }
  }

  /** @param options whether it has NRI; and which program it takes for `runc`. */
  async startContainerd(options: { readonly nri?: boolean; readonly runc?: string } = {}): Promise<void> {
    await writeFile(
      join(this.directory, 'containerd.toml'),
      containerdConfiguration(this.directory, options),
    );
    const PATH = `${this.#tools}:${process.env.PATH}`;
    const child = this.start(
      'containerd',
      'containerd',
      ['--config', join(this.directory, 'containerd.toml')],
      {
        ...process.env,
        PATH,
      },
    );
    const keep = (data: Buffer) => {
      this.containerdLog = (this.containerdLog + data).slice(-20_000);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    await until(
      () =>
        this.run(join(this.#tools, 'ctr'), 'version').then(
          () => true,
          () => false,
        ),
      { what: 'containerd answering', timeout: 60_000, interval: 50, detail: () => this.containerdLog },
    );
  }

  async startSwitch(): Promise<void> {
    await this.startDatabase();
    await this.startVswitchd();
    await this.vsctl('--no-wait', 'init');
    await this.vsctl(
      ...['--may-exist', 'add-br', 'br-int', '--', 'set', 'bridge', 'br-int', 'datapath_type=netdev'],
      ...['--', 'set', 'open_vswitch', '.', `external_ids:ovn-encap-ip=${encapAddress}`],
    );
  }

  async startDatabase(): Promise<void> {
    const database = join(this.directory, 'conf.db');
    const [tool, words] = commandLine('ovsdb-tool', [
      'create',
      database,
      sharedFile('openvswitch/vswitch.ovsschema'),
    ]);
    await run(tool, words).catch(error => {
      if (!String(error).includes('exists')) throw error;
    });
    this.start(
      'ovsdb-server',
      ...commandLine('ovsdb-server', [
        ...[`--remote=punix:${ovsRun}/db.sock`, `--unixctl=${ovsRun}/ovsdb.ctl`, '-vconsole:warn', database],
      ]),
    );
    await this.vsctl('--retry', '--no-wait', 'show');
  }

  async startVswitchd(): Promise<void> {
    this.start(
      'ovs-vswitchd',
      ...commandLine('ovs-vswitchd', [
        ...[`unix:${ovsRun}/db.sock`, `--unixctl=${ovsRun}/vswitchd.ctl`, '-vconsole:err'],
      ]),
    );
  }

  vsctl(...words: readonly string[]): Promise<string> {
    const [program, args] = commandLine('ovs-vsctl', [
      `--db=unix:${ovsRun}/db.sock`,
      '--timeout=10',
      ...words,
    ]);
    return this.run(program, ...args);
  }

  /** The node reaches the machine's loopback at one address: through a socket file, as namespaces do not matter to it. */
  async #openWayTo({ hostname, port }: URL): Promise<void> {
    const socket = join(this.directory, 'api.sock');
    const server = createServer(inner => {
      const outer = connect(Number(port), hostname);
      inner.pipe(outer).pipe(inner);
      inner.on('error', () => outer.destroy());
      outer.on('error', () => inner.destroy());
    }).listen(socket);
    this.#servers.push(server);
    this.start('way', 'socat', [
      `TCP-LISTEN:${port},bind=${hostname},fork,reuseaddr`,
      `UNIX-CONNECT:${socket}`,
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise(resolve => this.#holder.once('exit', resolve));
    if (this.#holder.exitCode === null) {
      this.#holder.kill('SIGKILL');
      await ended;
    }
    for (const server of this.#servers) server.close();
    await removeCgroup(this.cgroup);
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** What a nsenter runs in the node, by its number outside. */
async function programIn({ pid }: ChildProcess): Promise<number | undefined> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim();
  return children === '' ? undefined : Number(children);
}

/** Its first process: private mounts, an empty /run, loopback and the device of the tunnels. */
const boot = `mount --make-rprivate /
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/netns ${ovsRun} /run/lock
ip link set lo up
ip link add eth0 type veth peer name eth0-wire
ip link set eth0-wire up
ip link set eth0 up
ip address add "$1/24" dev eth0
echo up
exec sleep infinity`;

export function cgroupParent(node: TestNode): string {
  return `/${rootCgroup}/${node.cgroup}`;
}

function containerdConfiguration(
  directory: string,
  { nri = true, runc = 'runc' }: { readonly nri?: boolean; readonly runc?: string },
): string {
  return `version = 3
root = ${JSON.stringify(join(directory, 'containerd'))}
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "docker.io/${pauseImage}"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["/usr/lib/cni"]
  conf_dir = ${JSON.stringify(join(directory, 'cni'))}
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  SystemdCgroup = false
  BinaryName = ${JSON.stringify(runc)}
[plugins."io.containerd.nri.v1.nri"]
  disable = ${!nri}
  socket_path = "/var/run/nri/nri.sock"
`;
}

/** The pods' first network, which the agent has nothing to do with. */
export async function writeCniConfiguration(node: TestNode): Promise<void> {
  await mkdir(join(node.directory, 'cni'), { recursive: true });
  const ipam = { type: 'host-local', ranges: [[{ subnet: '10.244.0.0/16' }]], dataDir: '/run/ipam' };
  const configuration = { cniVersion: '1.0.0', name: 'first', plugins: [{ type: 'ptp', mtu: 1450, ipam }] };
  await writeFile(join(node.directory, 'cni', '10-first.conflist'), JSON.stringify(configuration));
}
