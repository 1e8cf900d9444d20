import { generateKeyPairSync, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { shareNamespace } from '../../../api/names.ts';
import { endpointSlices, exportedServices, leases, peers, secrets } from '../../../api/resource.ts';
import { tokenAccess } from '../../../kube/access.ts';
import { type BootstrapToken, decodeBootstrapToken } from '../../../membership/bootstrap-token.ts';
import { lease, own, pathOf, refused, requestToken, rulesOf } from './attempts.ts';
import { HubCluster, refusalOf } from './hub-cluster.ts';

const namespace = shareNamespace;
const victimId = 'prod-eu';

describe('a join token of a real hub', () => {
  let hub: HubCluster;

  before(async function () {
    this.timeout(180_000);
    hub = await HubCluster.start();
    await hub.member(victimId);
  });

  after(async () => {
    await hub?.[Symbol.asyncDispose]();
  });

  const clientOf = (token: BootstrapToken, text = token.token) =>
    hub.client(tokenAccess({ server: hub.plane.server, ca: hub.plane.ca, token: () => text }));

  it('may do nothing but join', async () => {
    const token = decodeBootstrapToken((await hub.token('fresh')).text);
    const client = clientOf(token);
    expect(await rulesOf(client, namespace)).to.deep.equal([
      `rolebindings.rbac.authorization.k8s.io[${token.secret}]: delete`,
      `secrets[${token.secret}]: delete`,
      'serviceaccounts/token[member-fresh]: create',
    ]);
    for (const resource of [secrets, peers, leases, exportedServices, endpointSlices]) {
      await refused(client.request({ method: 'GET', path: pathOf(resource) }), /cannot list/);
    }
    await refused(client.get(secrets, { namespace, name: token.secret }), /cannot get/);
    await refused(client.create(leases, lease('fresh', own('fresh'))), /cannot create/);
    await refused(requestToken(client, namespace, `member-${victimId}`), /cannot create/);
    await refused(requestToken(client, namespace, 'join-fresh'), /cannot create/);
    await refused(requestToken(client, namespace, 'member-fresh', 604_801), /must not live longer/);
  });

  it('that was used, cannot join again', async () => {
    const { text } = await hub.token('once');
    await hub.join('once', text);
    const client = clientOf(decodeBootstrapToken(text));
    // What it may do has ended at once; the API server forgets who it is within 10 s.
    await refused(
      requestToken(client, namespace, 'member-once'),
      /cannot create resource|Unauthorized/,
      [401, 403],
    );
  });

  it('that was replaced by a newer one, cannot join', async () => {
    const older = decodeBootstrapToken((await hub.token('again')).text);
    const newer = decodeBootstrapToken((await hub.token('again')).text);
    const denied = await refusalOf(requestToken(clientOf(older), namespace, 'member-again'));
    expect(denied.status).to.be.oneOf([401, 403]);
    await requestToken(clientOf(newer), namespace, 'member-again');
  });

  it("that has ended, with the hub's own signature, cannot join", async () => {
    const token = decodeBootstrapToken((await hub.token('late')).text);
    const signingKey = await readFile(join(hub.directory, 'pki', 'service-account.key'), 'utf8');
    const now = Math.floor(Date.now() / 1000);
    const stillGood = resigned(token.token, signingKey, { exp: now + 60 });
    await requestToken(clientOf(token, stillGood), namespace, 'member-late');
    const ended = resigned(token.token, signingKey, { iat: now - 1000, nbf: now - 1000, exp: now - 60 });
    await refused(requestToken(clientOf(token, ended), namespace, 'member-late'), /Unauthorized/, [401]);
  });

  it('that another key has signed, cannot join', async () => {
    const token = decodeBootstrapToken((await hub.token('forged')).text);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const forged = resigned(token.token, pem, {});
    await refused(requestToken(clientOf(token, forged), namespace, 'member-forged'), /Unauthorized/, [401]);
  });

  it('cannot be told to be of another cluster', async () => {
    const token = decodeBootstrapToken((await hub.token('mine')).text);
    const [head, body = '', signature] = token.token.split('.');
    const claims = Buffer.from(body, 'base64url')
      .toString('utf8')
      .replaceAll('join-mine', `join-${victimId}`);
    const changed = [head, Buffer.from(claims).toString('base64url'), signature].join('.');
    await refused(
      requestToken(clientOf(token, changed), namespace, `member-${victimId}`),
      /Unauthorized/,
      [401],
    );
  });
});

/** The same token with other claims, signed anew. */
function resigned(jwt: string, privateKey: string, claims: object): string {
  const [head = '', body = ''] = jwt.split('.');
  const changed = { ...JSON.parse(Buffer.from(body, 'base64url').toString('utf8')), ...claims };
  const content = `${head}.${Buffer.from(JSON.stringify(changed)).toString('base64url')}`;
  const signature = sign('sha256', Buffer.from(content), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${content}.${signature.toString('base64url')}`;
}
