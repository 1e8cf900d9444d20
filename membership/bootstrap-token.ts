import { createHash } from 'node:crypto';
import { clusterId, dnsLabel, dnsSubdomain, timestamp } from '../api/legal-names.ts';
import { checked, objectOf, textThat, UnreadableError, type ValueOf } from '../api/parse.ts';
import { MembershipError } from './membership-error.ts';

const shape = objectOf({
  version: checked('1', (value): value is 1 => value === 1),
  /** Of the hub's API server. */
  url: textThat('an https URL', text => URL.canParse(text) && new URL(text).protocol === 'https:', 2048),
  /** PEM; verifies the hub from the first connection on. */
  ca: textThat('certificates in PEM', text => text.includes('-----BEGIN CERTIFICATE-----'), 64 * 1024),
  /** The share namespace on the hub. */
  namespace: dnsLabel,
  /** The cluster that the token is for. */
  id: clusterId,
  /** The Secret on the hub that the token is bound to, and ends with; also the name of its RoleBinding. */
  secret: dnsSubdomain,
  /** When it ends if it is not used, RFC 3339, by the hub's clock. */
  expiresAt: timestamp,
  /** A ServiceAccount token of the hub. */
  token: textThat('a token', text => /^[\x21-\x7e]+$/.test(text), 16 * 1024),
});

/** What a join token carries. */
export type BootstrapToken = ValueOf<typeof shape>;

/** Longer than any that a hub makes; a paste of something else is not decoded. */
const longest = 128 * 1024;

/** One opaque line: base64url of JSON. */
export function encodeBootstrapToken(token: BootstrapToken): string {
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

/** @throws MembershipError `malformed`, which never repeats the text. */
export function decodeBootstrapToken(text: string): BootstrapToken {
  const trimmed = text.trim();
  if (trimmed.length > longest || !/^[A-Za-z0-9_-]+$/.test(trimmed)) throw malformed();
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(trimmed, 'base64url').toString('utf8'));
  } catch {
    throw malformed();
  }
  try {
    return shape.read(json);
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error;
    throw malformed(`its ${error.path.join('.')} must be ${error.expected}`);
  }
}

function malformed(detail?: string): MembershipError {
  const must = 'it must be the one line that "kubectl nauti token create" printed, as a whole';
  return new MembershipError(
    'malformed',
    `Cannot use the join token as ${must}${detail === undefined ? '' : ` (${detail})`}`,
  );
}

/** Tells join tokens apart without keeping one. */
export function fingerprintOf(token: BootstrapToken): string {
  return createHash('sha256').update(token.token).digest('hex').slice(0, 32);
}

/** How long a token of the hub lives from its making, in milliseconds, whatever our own clock says. */
export function lifetimeOf(jwt: string): number | undefined {
  const { iat, exp } = claimsOf(jwt);
  return iat === undefined || exp === undefined ? undefined : exp - iat;
}

/** Read without verification: whoever made the token up is refused by the hub, not by us. */
function claimsOf(jwt: string): { iat?: number; exp?: number } {
  try {
    const claims: unknown = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString('utf8'));
    if (typeof claims !== 'object' || claims === null) return {};
    const { iat, exp } = claims as Record<string, unknown>;
    return {
      ...(typeof iat === 'number' && { iat: iat * 1000 }),
      ...(typeof exp === 'number' && { exp: exp * 1000 }),
    };
  } catch {
    return {};
  }
}
