import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { componentNamespace, joinAnnotations, shareNamespace } from '../../../api/names.ts';
import { joinAccountName } from '../../../api/object-names.ts';
import { leases, peers, roleBindings, secrets, serviceAccounts } from '../../../api/resource.ts';
import { JoinRefused } from '../../../hub/join-token.ts';
import { listJoinTokens, revokeJoinToken } from '../../../hub/outstanding-tokens.ts';
import type { KubeClient } from '../../../kube/client.ts';
import { startControlPlane } from '../../../lab/control-plane.ts';
import { until } from '../../../lab/until.ts';
import { decodeBootstrapToken, encodeBootstrapToken } from '../../../membership/bootstrap-token.ts';
import { MembershipError, type MembershipProblem } from '../../../membership/membership-error.ts';
import { HubCluster } from './hub-cluster.ts';

const namespace = shareNamespace;

describe('joining a real hub', () => {
  let hub: HubCluster;
  /** Ends what a test has begun. */
  let stop: AbortController;
  const signal = () => AbortSignal.timeout(60_000);

  before(async function () {
    this.timeout(180_000);
    hub = await HubCluster.start();
  });

  beforeEach(() => {
    stop = new AbortController();
  });

  afterEach(() => stop.abort());

  after(async () => {
    await hub?.[Symbol.asyncDispose]();
  });

  it('gives a cluster an access of its own, and shows its first sign of life', async () => {
    const { client } = await hub.member('cluster1', { cidr: '10.113.0.0/16' });
    const lease = await client.get(leases, { namespace, name: 'cluster1' });
    expect(lease?.spec).to.include({ holderIdentity: 'cluster1', leaseDurationSeconds: 15 });
    expect(lease?.metadata.annotations?.[joinAnnotations.joinedWith]).to.match(/^[0-9a-f]{32}$/);
  });

  it('spends the token: its Secret and its permission are gone, without the hub doing anything', async () => {
    const { text } = await hub.token('spender');
    const { secret } = decodeBootstrapToken(text);
    await hub.join('spender', text);
    expect(await hub.admin.get(secrets, { namespace, name: secret })).to.equal(undefined);
    expect(await hub.admin.get(roleBindings, { namespace, name: secret })).to.equal(undefined);
  });

  it('needs the token no more: what was kept serves, also while the hub is away', async () => {
    const { text } = await hub.token('keeper');
    await hub.join('keeper', text);
    // Nobody listens there: no request to the hub is made.
    const nowhere = 'https://127.0.0.1:9';
    for (const token of [undefined, text]) {
      const { access } = await hub.join('keeper', token, { hubUrl: nowhere });
      expect(String(access.server)).to.equal(`${nowhere}/`);
    }
    const again = await hub.join('keeper', undefined);
    await hub.client(again.access).get(leases, { namespace, name: 'keeper' });
  });

  it('fills the Secret that an installation made, and leaves its labels alone', async () => {
    const metadata = {
      namespace: componentNamespace,
      name: 'identity-of-filled',
      labels: { 'example.com/owner': 'chart' },
    };
    await hub.admin.create(secrets, { metadata, type: 'Opaque' });
    await hub.join('filled', (await hub.token('filled')).text);
    const kept = await hub.admin.get(secrets, metadata);
    expect(kept?.metadata.labels).to.deep.equal(metadata.labels);
    await hub.join('filled', undefined);
  });

  it('serves several components of a cluster that begin at once with one token', async () => {
    const { text } = await hub.token('crowd');
    const memberships = await Promise.all(Array.from({ length: 6 }, () => hub.join('crowd', text)));
    for (const { access } of memberships) {
      await hub.client(access).get(leases, { namespace, name: 'crowd' });
    }
  });

  it('takes a new token for a new beginning', async () => {
    await hub.join('reborn', (await hub.token('reborn')).text);
    const before = await hub.admin.get(secrets, {
      namespace: componentNamespace,
      name: 'identity-of-reborn',
    });
    await hub.join('reborn', (await hub.token('reborn')).text);
    const after = await hub.admin.get(secrets, { namespace: componentNamespace, name: 'identity-of-reborn' });
    expect(after?.data).to.not.deep.equal(before?.data);
  });

  it('goes on with what was kept where a new token is of no use', async () => {
    await hub.join('calm', (await hub.token('calm')).text);
    const { text } = await hub.token('calm');
    await revokeJoinToken(hub.admin, { namespace, id: 'calm' }, signal());
    const { access } = await hub.join('calm', text);
    await hub.client(access).get(leases, { namespace, name: 'calm' });
  });

  it('is refused with a sentence that says what to do', async () => {
    const { text } = await hub.token('used');
    await hub.join('used', text);
    const used = () => hub.join('used', text, { secretName: 'lost' });
    await fails(used(), 'spent', /must be unused.*run "kubectl nauti token create used" on the hub/);
    await fails(
      hub.join('other', text),
      'foreign',
      /as other as the join token must be made for it: the token is for used/,
    );
    await fails(
      hub.join('new', undefined),
      'missing',
      /a join token must be given: run "kubectl nauti token create new"/,
    );
    for (const nonsense of ['eyJ', 'not a token', text.slice(1), text.slice(0, -9), `${text}%`]) {
      await fails(
        hub.join('used', nonsense, { secretName: 'lost' }),
        'malformed',
        /must be the one line that/,
      );
    }
    const token = decodeBootstrapToken(text);
    const late = encodeBootstrapToken({ ...token, expiresAt: '2025-01-01T00:00:00Z' });
    await fails(hub.join('used', late, { secretName: 'lost' }), 'expired', /must be used before 2025-01-01/);
    const future = encodeBootstrapToken({ ...token, version: 2 as never });
    await fails(hub.join('used', future, { secretName: 'lost' }), 'malformed', /its version must be 1/);
  });

  it('is refused by a server that the CA of the token does not vouch for, and tells it nothing', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'nauti-other-'));
    const other = await startControlPlane({ directory });
    try {
      const { text } = await hub.token('careful');
      await fails(
        hub.join('careful', text, { hubUrl: other.server }),
        'unverified',
        /must show a certificate of the CA in the join token/,
      );
      // The token is unused: it was not sent.
      await hub.join('careful', text);
    } finally {
      await other.stop();
      await rm(directory, { recursive: true, force: true });
    }
  }).timeout(180_000);

  it('never repeats a token in an error', async () => {
    const { text } = await hub.token('secret');
    const { token } = decodeBootstrapToken(text);
    await hub.join('secret', text);
    const errors = await Promise.all(
      [
        hub.join('secret', text, { secretName: 'lost' }),
        hub.join('else', text),
        hub.join('secret', text.slice(4)),
      ].map(joining =>
        joining.then(
          () => undefined,
          (error: Error) => error,
        ),
      ),
    );
    for (const error of errors) {
      const told = `${error?.stack} ${(error?.cause as Error | undefined)?.stack}`;
      expect(told).to.not.contain(token.slice(20, 60));
      expect(told).to.not.contain(text.slice(20, 60));
    }
  });

  it('waits for a hub that is away, and joins when it comes back', async () => {
    const { text } = await hub.token('patient');
    const door = new Door(hub.plane.server);
    await door.closed();
    const joining = hub.join('patient', text, { hubUrl: door.url });
    await until(() => door.knocks > 1, { what: 'a second attempt', timeout: 60_000 });
    door.open();
    const { clusterId } = await joining;
    expect(clusterId).to.equal('patient');
    await door.close();
  });

  it('ends by its signal while it waits', async () => {
    const { text } = await hub.token('stopped');
    const joining = hub.join('stopped', text, { hubUrl: 'https://127.0.0.1:9', signal: stop.signal });
    stop.abort(new Error('enough'));
    const error = await joining.then(
      () => undefined,
      (error: Error) => error,
    );
    expect(error?.message).to.equal('enough');
  });

  it('renews the token before it ends, and shares it by the Secret', async () => {
    const membership = await hub.join('renewer', (await hub.token('renewer')).text);
    const reference = { namespace: componentNamespace, name: 'identity-of-renewer' };
    const before = await identityIn(hub.admin, reference);
    // As if most of its life was over.
    await setIdentity(hub.admin, reference, { ...before, receivedAt: before.receivedAt - 7 * 86_400_000 });
    const renewing = await hub.join('renewer', undefined);
    const running = renewing.run(stop.signal);
    const after = await until(
      async () => {
        const identity = await identityIn(hub.admin, reference);
        return identity.token !== before.token && identity;
      },
      { what: 'a new token in the Secret', timeout: 60_000 },
    );
    expect(after.receivedAt).to.be.greaterThan(before.receivedAt);
    // Who was refused looks into the Secret before it gives up.
    expect(await membership.access.authorization(true)).to.equal(`Bearer ${after.token}`);
    await hub.client(renewing.access).get(leases, { namespace, name: 'renewer' });
    stop.abort();
    await running;
  });

  it('ends where the cluster has joined another hub, so that its process begins anew there', async () => {
    const reference = { namespace: componentNamespace, name: 'identity-of-mover' };
    const membership = await hub.join('mover', (await hub.token('mover')).text);
    const kept = await identityIn(hub.admin, reference);
    const running = membership.run(stop.signal);
    // A new token of the same hub is taken over instead.
    await hub.join('mover', (await hub.token('mover')).text);
    const { token } = await identityIn(hub.admin, reference);
    expect(token).to.not.equal(kept.token);
    expect(await membership.access.authorization(true)).to.equal(`Bearer ${token}`);
    stop.abort();
    await running;
    stop = new AbortController();
    // What a join with a hub of another CA keeps.
    const url = 'https://other.example:6443';
    await setIdentity(hub.admin, reference, { ...kept, url, ca: `${kept.ca}\n`, joinedWith: 'another' });
    const error = await membership.run(stop.signal).catch((error: unknown) => error);
    expect(error).to.be.instanceOf(MembershipError);
    expect((error as MembershipError).problem).to.equal('moved');
    expect((error as Error).message).to.match(
      /mover has joined last: it is at https:\/\/other\.example:6443 now/,
    );
  });

  it('knows when the hub has removed the cluster', async () => {
    const membership = await hub.join('gone', (await hub.token('gone')).text);
    await hub.admin.delete(serviceAccounts, { namespace, name: 'member-gone' });
    const reference = { namespace: componentNamespace, name: 'identity-of-gone' };
    const kept = await identityIn(hub.admin, reference);
    await setIdentity(hub.admin, reference, { ...kept, receivedAt: 0 });
    const again = await hub.join('gone', undefined);
    const running = again.run(stop.signal);
    await until(() => again.problem !== undefined, { what: 'the end of the membership', timeout: 60_000 });
    expect(again.problem).to.match(
      /the hub no longer knows this cluster: run "kubectl nauti token create gone"/,
    );
    expect(membership.problem).to.equal(undefined);
    // By a new token the cluster is a member again, whichever component used it.
    await hub.join('gone', (await hub.token('gone')).text);
    const refused = () => again.access.authorization(true);
    await until(async () => (await refused()) !== undefined && again.problem === undefined, {
      what: 'the new membership',
      timeout: 60_000,
    });
    await hub.client(again.access).get(leases, { namespace, name: 'gone' });
    stop.abort();
    await running;
  });

  describe('a token', () => {
    it('is listed until it has served or is revoked, and its cluster is forgotten with it', async () => {
      await hub.token('listed', { cidr: '10.114.0.0/16' });
      const listed = async () =>
        (await listJoinTokens(hub.admin, namespace, signal())).find(({ id }) => id === 'listed');
      const token = await listed();
      expect(token?.requestedCidr).to.equal('10.114.0.0/16');
      expect(Number(token?.expiresAt) - Date.now()).to.be.within(800_000, 900_000);
      expect(await revokeJoinToken(hub.admin, { namespace, id: 'listed' }, signal())).to.equal(true);
      expect(await listed()).to.equal(undefined);
      expect(await hub.admin.get(serviceAccounts, { namespace, name: 'member-listed' })).to.equal(undefined);
      expect(await revokeJoinToken(hub.admin, { namespace, id: 'listed' }, signal())).to.equal(false);
    });

    it('that was revoked is of no use', async () => {
      const { text } = await hub.token('revoked');
      await revokeJoinToken(hub.admin, { namespace, id: 'revoked' }, signal());
      await fails(hub.join('revoked', text), /spent|refused/);
    });

    it('is refused for the hub itself, and where there is no hub', async () => {
      await hub.admin.create(peers, {
        metadata: { namespace, name: 'hub' },
        spec: { cluster_id: 'hub', ishub: true, cluster_cidr: ['10.112.0.0/12'] },
      });
      await refuses(hub.token('hub'), /must not be the hub's own id/);
      for (const [cidr, says] of [
        ['10.200.0.0/16', /10\.200\.0\.0\/16 must be inside of 10\.112\.0\.0\/12/],
        ['10.113.1.0/16', /must be a CIDR whose host bits are zero/],
        ['10.113.0.0/16,10.114.0.0/16', /only one CIDR of a family/],
        ['10.113.0.0/30', /at least 8 addresses/],
      ] as const) {
        await refuses(hub.token('wishful', { cidr }), says);
      }
      const accounts = await hub.admin.get(serviceAccounts, { namespace, name: joinAccountName('wishful') });
      expect(accounts).to.equal(undefined);
    });
  });
});

async function fails(
  joining: Promise<unknown>,
  problem: MembershipProblem | RegExp,
  says = /./,
): Promise<void> {
  const error = await joining.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).to.be.instanceOf(MembershipError);
  const { problem: actual, message } = error as MembershipError;
  if (typeof problem === 'string') expect(actual).to.equal(problem);
  else expect(actual).to.match(problem);
  expect(message).to.match(says);
}

async function refuses(making: Promise<unknown>, says: RegExp): Promise<void> {
  const error = await making.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).to.be.instanceOf(JoinRefused);
  expect((error as Error).message).to.match(says);
}

interface Kept {
  readonly url: string;
  readonly ca: string;
  readonly joinedWith: string;
  readonly token: string;
  readonly receivedAt: number;
}

async function identityIn(client: KubeClient, reference: { namespace: string; name: string }): Promise<Kept> {
  const secret = await client.get(secrets, reference);
  const data = secret?.data as Record<string, string>;
  return JSON.parse(Buffer.from(data['identity.json'] ?? '', 'base64').toString('utf8')) as Kept;
}

async function setIdentity(
  client: KubeClient,
  reference: { namespace: string; name: string },
  kept: Kept,
): Promise<void> {
  const data = { 'identity.json': Buffer.from(JSON.stringify(kept)).toString('base64') };
  await client.patch(secrets, reference, { contentType: 'application/merge-patch+json', body: { data } });
}

/** A TCP way to the API server that can be shut. */
class Door {
  readonly #server: Server;
  readonly #target: URL;
  #open = false;
  knocks = 0;

  constructor(target: string) {
    this.#target = new URL(target);
    this.#server = createServer(inner => {
      this.knocks++;
      inner.on('error', () => inner.destroy());
      if (!this.#open) {
        inner.destroy();
        return;
      }
      const outer = connect(Number(this.#target.port), this.#target.hostname);
      outer.on('error', () => inner.destroy());
      inner.on('close', () => outer.destroy());
      inner.pipe(outer).pipe(inner);
    });
  }

  async closed(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get url(): string {
    const address = this.#server.address();
    return `https://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  }

  open(): void {
    this.#open = true;
  }

  async close(): Promise<void> {
    this.#server.close();
  }
}
