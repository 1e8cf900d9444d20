/**
 * How objects are named that clusters meet through. Names are for people and scripts; programs identify an object
 * by its labels and fields and never take a name apart.
 */

import { createHash } from 'node:crypto';

const nameLimit = 253;
const labelValueLimit = 63;
const hashLength = 10;

/** First 10 characters (50 bits) of lower-case base32hex (RFC 4648) of sha256: `nginx-svc` → `kl7j74ep4o`. */
export function shortHash(text: string): string {
  const digest = createHash('sha256').update(text).digest();
  let bits = 0n;
  for (let index = 0; index < 8; index++) bits = (bits << 8n) | BigInt(digest[index] ?? 0);
  let hash = '';
  for (let index = 0; index < hashLength; index++) {
    hash += '0123456789abcdefghijklmnopqrstuv'[Number((bits >> BigInt(59 - index * 5)) & 31n)];
  }
  return hash;
}

/** A name that ends like this says after its hash how many dashes the cluster id has. */
const hashedEnd = /-[0-9a-v]{10}\d{1,2}$/;

/**
 * Name of a cluster's EndpointSlice or ExportedService on the hub: `<cluster>-<namespace>-<name>`.
 *
 * Where that form could be read in two ways (a dash in cluster or namespace), is too long, or looks as if it had a
 * hash, a hash of all three is appended and the number of dashes in the cluster id: `prod-eu-demo-web-6f0t3bdkls1`.
 * So every name belongs to one cluster: the first label(s) say which. The hub's admission policy relies on it,
 * or `prod` could occupy a name that `prod-eu` needs.
 *
 * @param name name of the slice or the Service in its own cluster.
 */
export function hubObjectName(clusterId: string, namespace: string, name: string): string {
  const plain = `${clusterId}-${namespace}-${name}`;
  const readOneWay = !clusterId.includes('-') && !namespace.includes('-') && !hashedEnd.test(plain);
  if (readOneWay && plain.length <= nameLimit) return plain;
  const dashes = clusterId.split('-').length - 1;
  return withEnd(plain, `${shortHash(`${clusterId}/${namespace}/${name}`)}${dashes}`, nameLimit);
}

/**
 * Value of `kubernetes.io/service-name` on a slice on the hub: `derived-<cluster>-<namespace>-<hash of name>`,
 * with a hash of all three appended where that could be read in two ways or is too long.
 */
export function hubServiceName(clusterId: string, namespace: string, name: string): string {
  const plain = `derived-${clusterId}-${namespace}-${shortHash(name)}`;
  const readOneWay = !clusterId.includes('-') && !namespace.includes('-');
  if (readOneWay && plain.length <= labelValueLimit) return plain;
  return withEnd(plain, shortHash(`${clusterId}/${namespace}/${name}`), labelValueLimit);
}

/** Name of the Service that gives an import its VIP (KEP-1645): `derived-<hash of namespace/name>`. */
export function derivedServiceName(namespace: string, name: string): string {
  return `derived-${shortHash(`${namespace}/${name}`)}`;
}

/** Name of the slice that gives an import's address the endpoints of a slice of its own cluster, as that reaches them. */
export function vipSliceName(namespace: string, name: string, slice: string): string {
  return `${derivedServiceName(namespace, name)}-${shortHash(slice)}`;
}

/**
 * Name of an import's slice in the importing cluster: the hub's, or the exporter's own where it is published without
 * the hub.
 */
export function importedSliceName(clusterId: string, namespace: string, name: string): string {
  return hubObjectName(clusterId, namespace, name);
}

/**
 * Name of a node's logical switch port, and `iface-id` of its device: `node-<node>`. Dots become underscores, which no
 * name of a pod or namespace has: else the pod `node-a` of the namespace `b` had the port of the node `a.b`.
 */
export function nodePortName(node: string): string {
  return `node-${node.replaceAll('.', '_')}`;
}

/** Name of the Peer and of the Lease of a cluster, in the share namespace. */
export function peerName(clusterId: string): string {
  return clusterId;
}

/** See {@link peerName}. */
export function leaseName(clusterId: string): string {
  return clusterId;
}

/** The ServiceAccount on the hub that a joined cluster acts as. The admission policy takes the id from it. */
export function memberAccountName(clusterId: string): string {
  return `member-${clusterId}`;
}

/** The ServiceAccount on the hub that a join token acts as. */
export function joinAccountName(clusterId: string): string {
  return `join-${clusterId}`;
}

/** Cuts a text so that it fits with a dash and its end, and does not end in a dash or dot before them. */
function withEnd(text: string, end: string, limit: number): string {
  const stem = text.slice(0, limit - 1 - end.length).replace(/[-.]+$/, '');
  return `${stem}-${end}`;
}
