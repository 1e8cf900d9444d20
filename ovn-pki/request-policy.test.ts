import { expect } from 'chai';
import type { CertificateKind } from './certificate-kind.ts';
import { objection, type Requester, type Wish } from './request-policy.ts';

const policy = { accounts: { database: 'n/db', controller: 'n/ctl', chassis: 'n/ovs' } };
const ovs: Requester = { username: 'system:serviceaccount:n:ovs', nodeName: 'node-1' };
const wish: Wish = { commonNames: ['node-1'], more: [], curve: 'P-256', selfSigned: true };

describe('what a certificate is granted for', () => {
  const granted: readonly (readonly [CertificateKind, Requester, Wish])[] = [
    ['chassis', ovs, wish],
    [
      'controller',
      { username: 'system:serviceaccount:n:ctl', nodeName: 'any' },
      { ...wish, commonNames: ['ctl'] },
    ],
    [
      'database',
      { username: 'system:serviceaccount:n:db', nodeName: undefined },
      { ...wish, commonNames: ['db'] },
    ],
  ];
  for (const [kind, requester, asked] of granted) {
    it(`${kind} to its own account`, () =>
      expect(objection(kind, requester, asked, policy)).to.equal(undefined));
  }

  const denied: readonly (readonly [string, CertificateKind, Requester, Wish, string])[] = [
    ['another node’s name', 'chassis', ovs, { ...wish, commonNames: ['node-2'] }, 'it is node-2'],
    ['a token without a node', 'chassis', { ...ovs, nodeName: undefined }, wish, 'must name its node'],
    [
      'a node that asks for the northbound database',
      'controller',
      ovs,
      wish,
      'only system:serviceaccount:n:ctl may',
    ],
    ['a node that asks to be a database', 'database', ovs, wish, 'only system:serviceaccount:n:db may'],
    [
      'an account of the same name elsewhere',
      'chassis',
      { ...ovs, username: 'system:serviceaccount:x:ovs' },
      wish,
      'only',
    ],
    ['a person', 'chassis', { ...ovs, username: 'kubernetes-admin' }, wish, 'kubernetes-admin did'],
    ['somebody else’s key', 'chassis', ovs, { ...wish, selfSigned: false }, 'signed by its own key'],
    ['RSA', 'chassis', ovs, { ...wish, curve: undefined }, 'P-256'],
    ['an organization', 'chassis', ovs, { ...wish, more: ["the subject's O"] }, "the subject's O"],
    ['two names', 'chassis', ovs, { ...wish, commonNames: ['node-1', 'node-2'] }, 'one Common Name'],
    ['no name', 'chassis', ovs, { ...wish, commonNames: [] }, 'one Common Name'],
    ['a name with a comma', 'chassis', ovs, { ...wish, commonNames: ['node-1,O=x'] }, 'a-z, 0-9'],
  ];
  for (const [what, kind, requester, asked, why] of denied) {
    it(`not to ${what}`, () => expect(objection(kind, requester, asked, policy)).to.contain(why));
  }
});
