/** Which sockets the members of OVN's databases speak to each other by. Pure. */

/** What a connection between two members is for; by TLS it is the name of the application's protocol (RFC 7301). */
export const services = ['nb-raft', 'sb-raft', 'nb', 'sb'] as const;
export type Service = (typeof services)[number];

export type Place =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** What a program of this pod asks another member for: a service of its link, or its northbound port, without a link. */
export type Wish = Service | 'port';

export interface Plan {
  /** Where what another member asks for is found in this pod. */
  readonly targets: Readonly<Record<Service, Place>>;
  /** Where programs of this pod reach another member. */
  readonly listeners: readonly {
    readonly host: string;
    readonly port: number;
    /** Number of the member. */
    readonly member: number;
    readonly service: Wish;
  }[];
}

/** Ports of this pod's loopback device; database.sh and northd.sh know them too. The databases have 6641 and 6642 everywhere. */
const ports: Readonly<Record<Wish, number>> = {
  'nb-raft': 6643,
  'sb-raft': 6644,
  nb: 16641,
  sb: 16642,
  port: 16640,
};

/** The address that stands for a member inside of each member's pod: the same everywhere, whatever addresses pods get. */
export function loopbackOf(member: number): string {
  return `127.1.0.${member + 1}`;
}

/**
 * @param member number of this member, from 0.
 * @param members how many there are.
 * @param directory where the databases have their Unix sockets.
 */
export function planLink(member: number, members: number, directory: string): Plan {
  const others = Array.from({ length: members }, (_, index) => index).filter(index => index !== member);
  // A server of RAFT listens at its own address itself.
  const raft = (service: Service): Place => ({ kind: 'tcp', host: loopbackOf(member), port: ports[service] });
  return {
    targets: {
      'nb-raft': raft('nb-raft'),
      'sb-raft': raft('sb-raft'),
      nb: { kind: 'unix', path: `${directory}/ovnnb_db.sock` },
      sb: { kind: 'unix', path: `${directory}/ovnsb_db.sock` },
    },
    listeners: others.flatMap(other =>
      [...services, 'port' as const].map(service => ({
        host: loopbackOf(other),
        port: ports[service],
        member: other,
        service,
      })),
    ),
  };
}

/** Where every database has its northbound port, whether it stands alone or not. */
export const northboundPort = 6641;

/** Number of the member that a pod of a StatefulSet is: `nauti-ovn-central-2` → 2. */
export function memberOf(pod: string): number | undefined {
  const [, number] = /-(0|[1-9][0-9]{0,2})$/.exec(pod) ?? [];
  return number === undefined ? undefined : Number(number);
}
