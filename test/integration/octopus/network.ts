/**
 * A small internet in network namespaces of our own: gateways on one wire, some behind NATs, and behind each gateway a
 * namespace that stands for its cluster's pods.
 *
 * Not as in a cluster: between gateway and pods is a veth here and an OVN switch there.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { run, tryRun } from '../../../lab/command.ts';

/** A gateway and what is around it. */
export interface Place {
  readonly id: string;
  /** Of the gateway on the wire, or on its side of the NAT. */
  readonly address: string;
  readonly address6?: string;
  /** `symmetric` gives each destination another port. */
  readonly nat?: 'cone' | 'symmetric';
  /** Block of the cluster; none on the hub. */
  readonly block?: string;
  /** A second candidate gateway at the same pods: the id of the first. */
  readonly standbyOf?: string;
  /** Of the gateway's underlay device. */
  readonly mtu?: number;
}

export class Network implements AsyncDisposable {
  readonly #prefix: string;
  readonly #namespaces: string[] = [];

  /** @param prefix of the namespaces' names: short; the number of this process makes it nobody else's. */
  constructor(prefix: string) {
    this.#prefix = `${prefix}${process.pid}`;
  }

  /** Name of a namespace: `gw-<id>`, `pod-<id>`, `nat-<id>`, `wire`. */
  name(part: string): string {
    return `${this.#prefix}-${part}`;
  }

  async build(places: readonly Place[]): Promise<void> {
    const wire = await this.#namespace('wire');
    await this.#ip(wire, ['link add br0 type bridge', 'link set br0 up']);
    for (const [index, place] of places.entries()) await this.#place(place, index, wire);
  }

  async #place(place: Place, index: number, wire: string): Promise<void> {
    const { id, address, address6, nat, block, standbyOf, mtu = 1500 } = place;
    const gateway = await this.#namespace(`gw-${id}`);
    const port = `w${index}`;
    if (nat === undefined) {
      await this.#veth(wire, port, gateway, 'eth0');
      await this.#ip(gateway, [
        `address add ${address}/24 dev eth0`,
        ...(address6 === undefined ? [] : [`address add ${address6}/64 dev eth0 nodad`]),
        `link set eth0 mtu ${mtu} up`,
        'route add default via 198.51.100.254',
      ]);
    } else {
      const router = await this.#namespace(`nat-${id}`);
      await this.#veth(wire, port, router, 'wan');
      await this.#veth(router, 'lan', gateway, 'eth0');
      const [a, b, c] = address.split('.');
      await this.#ip(router, [
        `address add 198.51.100.${100 + index}/24 dev wan`,
        `address add ${a}.${b}.${c}.1/24 dev lan`,
        'link set wan up',
        'link set lan up',
        'route add default via 198.51.100.254',
      ]);
      await this.#ip(gateway, [
        `address add ${address}/24 dev eth0`,
        `link set eth0 mtu ${mtu} up`,
        `route add default via ${a}.${b}.${c}.1`,
      ]);
      const how = nat === 'symmetric' ? 'masquerade random,fully-random' : 'masquerade';
      await this.exec(`nat-${id}`, 'sysctl', ['-qw', 'net.ipv4.ip_forward=1']);
      await this.exec(`nat-${id}`, 'nft', ['-f', '-'], {
        input: `table ip nat { chain post { type nat hook postrouting priority srcnat; oifname "wan" ${how}; }; }
          table ip filter { chain passing { type filter hook forward priority filter; iifname "wan" ct state established,related accept; iifname "wan" drop; }; }\n`,
      });
    }
    await this.#ip(wire, [`link set ${port} master br0 up`]);
    if (block !== undefined) await this.#pods(place, block, gateway, standbyOf);
  }

  /** `10.113.0.0/16` → the pod has 10.113.0.5, the gateway 10.113.0.1. */
  async #pods({ id }: Place, block: string, gateway: string, standbyOf: string | undefined): Promise<void> {
    const [a, b] = block.split('.');
    const pod = standbyOf === undefined ? await this.#namespace(`pod-${id}`) : this.name(`pod-${standbyOf}`);
    const port = standbyOf === undefined ? 'p1' : 'p2';
    if (standbyOf === undefined) {
      await this.#ip(pod, [
        'link add br0 type bridge',
        'link set br0 up',
        `address add ${a}.${b}.0.5/16 dev br0`,
      ]);
    }
    await this.#veth(pod, port, gateway, 'eth-ovn');
    await this.#ip(pod, [`link set ${port} master br0 up`]);
    await this.#ip(gateway, ['link set eth-ovn mtu 1442 up']);
    if (standbyOf !== undefined) return;
    await this.#ip(pod, [`route add 10.112.0.0/12 via ${a}.${b}.0.1 mtu 1420`]);
  }

  /** What the node agent does with the gateway pod's second NIC. */
  async giveClusterAddress(id: string, block: string): Promise<void> {
    const [a, b] = block.split('.');
    await this.#ip(this.name(`gw-${id}`), [`address add ${a}.${b}.0.1/16 dev eth-ovn`]);
  }

  async #namespace(part: string): Promise<string> {
    const name = this.name(part);
    await run('ip', ['netns', 'add', name]);
    this.#namespaces.push(name);
    await this.#ip(name, ['link set lo up']);
    return name;
  }

  async #veth(a: string, deviceA: string, b: string, deviceB: string): Promise<void> {
    await run('ip', [
      'link',
      'add',
      deviceA,
      'netns',
      a,
      'type',
      'veth',
      'peer',
      'name',
      deviceB,
      'netns',
      b,
    ]);
  }

  async #ip(namespace: string, lines: readonly string[]): Promise<void> {
    await run('ip', ['-n', namespace, '-batch', '-'], { input: `${lines.join('\n')}\n` });
  }

  /** Runs a program in a namespace. @throws CommandError */
  exec(
    part: string,
    command: string,
    args: readonly string[],
    options: { input?: string } = {},
  ): Promise<string> {
    return run('ip', ['netns', 'exec', this.name(part), command, ...args], options);
  }

  /** Takes a gateway off the wire, or puts it back. */
  async wire(index: number, state: 'up' | 'down'): Promise<void> {
    await this.#ip(this.name('wire'), [`link set w${index} ${state}`]);
  }

  /** Packets between two addresses of the wire are dropped, or pass again. */
  async cut(a: string, b: string, isCut: boolean): Promise<void> {
    const rules = isCut ? `ip saddr ${a} ip daddr ${b} drop; ip saddr ${b} ip daddr ${a} drop;` : '';
    await this.exec('wire', 'nft', ['-f', '-'], {
      input: `table bridge cut {}
        delete table bridge cut
        table bridge cut { chain passing { type filter hook forward priority filter; ${rules} }; }\n`,
    });
  }

  /** Whether one ping is answered within a second. */
  async pings(part: string, target: string): Promise<boolean> {
    const args = ['netns', 'exec', this.name(part), 'ping', '-n', '-c', '1', '-W', '1', target];
    return (await tryRun('ip', args)).code === 0;
  }

  /** Pings each 10 ms until it is ended. */
  ping(part: string, target: string): Pings {
    return new Pings(this.name(part), target);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#namespaces) await tryRun('ip', ['netns', 'delete', name]);
  }
}

export interface Outage {
  readonly sent: number;
  readonly lost: number;
  /** Longest time without an answer, in milliseconds, as far as the interval tells. */
  readonly longestMs: number;
}

const intervalMs = 10;

/** A ping that goes on. */
export class Pings {
  readonly #child;
  #text = '';

  constructor(namespace: string, target: string) {
    const args = ['--pdeathsig', 'KILL', '--', 'ip', 'netns', 'exec', namespace];
    this.#child = spawn(
      'setpriv',
      [...args, 'ping', '-n', '-i', String(intervalMs / 1000), '-s', '56', target],
      {
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#text += text;
    });
  }

  /** Answers until now. */
  get answered(): number {
    return this.#text.split('icmp_seq=').length - 1;
  }

  /** May be called again. */
  async end(): Promise<Outage> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const closed = once(this.#child, 'close');
      this.#child.kill('SIGINT');
      await closed;
    }
    const seen = [...this.#text.matchAll(/bytes from .*icmp_seq=(\d+)/g)]
      .map(([, seq]) => Number(seq))
      .sort((a, b) => a - b);
    const sent = Number(/(\d+) packets transmitted/.exec(this.#text)?.[1] ?? 0);
    let longest = 0;
    for (const [index, seq] of seen.entries()) {
      const before = seen[index - 1];
      if (before !== undefined) longest = Math.max(longest, seq - before - 1);
    }
    // Those after the last answer are on their way: who ends the pings waits for answers first.
    return { sent, lost: (seen.at(-1) ?? sent) - new Set(seen).size, longestMs: longest * intervalMs };
  }
}
