/**
 * Gateways as processes, each in its own network namespace, with a real API server as the hub. The same server stands
 * for the API of each member cluster, with a namespace of its own for each.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import type { KubeObject } from '../../../api/meta.ts';
import { shareNamespace } from '../../../api/names.ts';
import { type Peer, parsePeer } from '../../../api/peer.ts';
import { namespaces, peers } from '../../../api/resource.ts';
import { run } from '../../../lab/command.ts';
import { until } from '../../../lab/until.ts';
import { HubCluster } from '../hub/hub-cluster.ts';
import { Network, type Place } from './network.ts';

const program = fileURLToPath(new URL('../../../cli/nauti.ts', import.meta.url));

export class World implements AsyncDisposable {
  readonly hub: HubCluster;
  readonly network: Network;
  readonly #gateways = new Map<string, RunningGateway>();
  readonly #roads = new Map<string, ApiRoad>();
  readonly #places: readonly Place[];

  private constructor(hub: HubCluster, network: Network, places: readonly Place[]) {
    this.hub = hub;
    this.network = network;
    this.#places = places;
  }

  /** @param prefix of the namespaces' names. */
  static async start(prefix: string, places: readonly Place[]): Promise<World> {
    const network = new Network(prefix);
    // In turn: what fails leaves nothing behind.
    await network.build(places).catch(async error => {
      await network[Symbol.asyncDispose]();
      throw error;
    });
    const world = new World(await HubCluster.start(), network, places);
    try {
      await world.#settle();
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #settle(): Promise<void> {
    await this.hub.admin.apply(
      peers,
      {
        metadata: {
          namespace: shareNamespace,
          name: 'hub',
          labels: { 'services.nauti.io/multi-cluster-cluster-ID': 'hub' },
        },
        spec: { cluster_id: 'hub', cluster_cidr: ['10.112.0.0/12'], ishub: true },
      },
      { fieldManager: 'nauti-hub' },
    );
    for (const place of this.#places) {
      await this.#road(place.id);
      if (place.id !== 'hub' && place.standbyOf === undefined) await this.#join(place);
      if (place.block !== undefined && place.standbyOf === undefined) {
        await this.network.giveClusterAddress(place.id, place.block);
      }
    }
  }

  /** What the hub's component does for a cluster that joins. */
  async #join({ id, block }: Place): Promise<void> {
    const member = await this.hub.member(id);
    const token = ((await member.membership.access.authorization(false)) ?? '').replace(/^Bearer /, '');
    await this.#kubeconfig(id, token);
    await this.makePeer(id, { cluster_cidr: block === undefined ? [] : [block] });
    await this.hub.admin.create(namespaces, { metadata: { name: `system-${id}` } });
  }

  async makePeer(id: string, spec: object): Promise<void> {
    await this.hub.admin.apply(
      peers,
      {
        metadata: {
          namespace: shareNamespace,
          name: id,
          labels: { 'services.nauti.io/multi-cluster-cluster-ID': id },
        },
        spec: { cluster_id: id, ...spec },
      },
      { fieldManager: 'nauti-hub', force: true },
    );
  }

  async #kubeconfig(id: string, token: string): Promise<void> {
    const ca = Buffer.from(this.hub.plane.ca).toString('base64');
    await writeFile(
      this.#file(id),
      stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'hub',
        clusters: [
          { name: 'hub', cluster: { server: this.hub.plane.server, 'certificate-authority-data': ca } },
        ],
        users: [{ name: id, user: { token } }],
        contexts: [{ name: 'hub', context: { cluster: 'hub', user: id } }],
      }),
      { mode: 0o600 },
    );
  }

  #file(id: string): string {
    return join(this.hub.directory, `${id}.kubeconfig`);
  }

  /** The way from a gateway's namespace to the API server, by a socket of the file system. */
  async #road(id: string): Promise<ApiRoad> {
    const { hostname, port } = new URL(this.hub.plane.server);
    const road = await ApiRoad.open(
      join(this.hub.directory, `${id}.sock`),
      hostname,
      Number(port),
      this.network.name(`gw-${id}`),
    );
    this.#roads.set(id, road);
    return road;
  }

  /** Cuts a gateway off from all API servers, or lets it through again. */
  setApi(id: string, isReachable: boolean): void {
    this.#roads.get(id)?.set(isReachable);
  }

  /** Starts a gateway; the flags are added to those that the world gives. */
  async gateway(id: string, flags: readonly string[] = []): Promise<RunningGateway> {
    const place = this.#places.find(one => one.id === id);
    const cluster = place?.standbyOf ?? id;
    const isHub = cluster === 'hub';
    const system = isHub ? 'nauti-system' : `system-${cluster}`;
    const kubeconfigs = [
      '--kubeconfig',
      this.hub.plane.kubeconfig,
      ...(isHub ? [] : ['--hub-kubeconfig', this.#file(cluster)]),
    ];
    const gateway = new RunningGateway(this.network.name(`gw-${id}`), [
      ...['octopus', '--cluster-id', cluster, '--hub', String(isHub), '--namespace', system],
      ...['--identity', id, '--http-listen', '127.0.0.1:9300'],
      ...kubeconfigs,
      ...flags,
    ]);
    this.#gateways.set(id, gateway);
    return gateway;
  }

  running(id: string): RunningGateway {
    const found = this.#gateways.get(id);
    if (found === undefined) throw new Error(`${id} was not started`);
    return found;
  }

  /** `wg` as a gateway sees it: wireguard-go's socket is in its own /run. */
  wg(id: string, args: readonly string[]): Promise<string> {
    return run('nsenter', ['-t', String(this.running(id).pid), '-n', '-m', 'wg', ...args]);
  }

  async peer(id: string): Promise<Peer> {
    const found = await this.hub.admin.get(peers, { namespace: shareNamespace, name: id });
    return parsePeer(found);
  }

  async patchPeer(id: string, body: object): Promise<KubeObject> {
    return await this.hub.admin.patch(
      peers,
      { namespace: shareNamespace, name: id },
      { contentType: 'application/merge-patch+json', body },
    );
  }

  /** Waits until a pod of one cluster reaches an address. */
  async reaches(pod: string, target: string, timeout = 60_000): Promise<void> {
    await until(() => this.network.pings(`pod-${pod}`, target), {
      what: `a pod of ${pod} reaching ${target}`,
      timeout,
      interval: 50,
      detail: () => this.logs(),
    });
  }

  logs(): string {
    return [...this.#gateways].map(([id, { log }]) => `--- ${id}\n${log.slice(-3_000)}`).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#gateways.values()].map(gateway => gateway.stop()));
    for (const road of this.#roads.values()) road.close();
    await this.network[Symbol.asyncDispose]();
    await this.hub[Symbol.asyncDispose]();
  }
}

/** `nauti octopus` in a network namespace, with a /run of its own, as a pod has it. */
export class RunningGateway {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  log = '';

  readonly #namespace: string;

  constructor(namespace: string, args: readonly string[]) {
    this.#namespace = namespace;
    const script = 'mount -t tmpfs tmpfs /run && exec "$@"';
    this.#child = spawn(
      'setpriv',
      [
        '--pdeathsig',
        'KILL',
        '--',
        'ip',
        'netns',
        'exec',
        namespace,
        'sh',
        '-c',
        script,
        'sh',
        process.execPath,
        program,
        ...args,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.log += text;
    });
    this.#ended = once(this.#child, 'exit');
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** Whether it could take over: its /readyz, which it serves where the world told it to. */
  async isReady(network: Network): Promise<boolean> {
    const script =
      "fetch('http://127.0.0.1:9300/readyz').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))";
    const part = this.#namespace.slice(network.name('').length);
    return await network.exec(part, process.execPath, ['-e', script]).then(
      () => true,
      () => false,
    );
  }

  /** The process is gone at once, and with it what it had started. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGTERM');
    await this.#ended;
  }
}

/** A way through a socket of the file system: programs in a namespace find the API server under its own address. */
class ApiRoad {
  readonly #server: Server;
  readonly #inside: ChildProcess;
  readonly #open = new Set<Socket>();
  #isReachable = true;

  private constructor(server: Server, inside: ChildProcess) {
    this.#server = server;
    this.#inside = inside;
  }

  static async open(path: string, host: string, port: number, namespace: string): Promise<ApiRoad> {
    const server = createServer(socket => road.#pass(socket, host, port));
    server.listen(path);
    await once(server, 'listening');
    const inside = spawn(
      'setpriv',
      [
        ...['--pdeathsig', 'KILL', '--', 'ip', 'netns', 'exec', namespace, 'socat'],
        ...[`TCP-LISTEN:${port},bind=${host},fork,reuseaddr`, `UNIX-CONNECT:${path}`],
      ],
      { stdio: 'ignore' },
    );
    const road = new ApiRoad(server, inside);
    return road;
  }

  #pass(socket: Socket, host: string, port: number): void {
    socket.on('error', () => {});
    if (!this.#isReachable) {
      socket.destroy();
      return;
    }
    const onward = connect({ host, port });
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      this.#open.add(one);
      one.on('error', () => {});
      one.once('close', () => {
        this.#open.delete(one);
        other.destroy();
      });
    }
    socket.pipe(onward).pipe(socket);
  }

  set(isReachable: boolean): void {
    this.#isReachable = isReachable;
    if (!isReachable) for (const socket of this.#open) socket.destroy();
  }

  close(): void {
    this.#inside.kill('SIGKILL');
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
  }
}
