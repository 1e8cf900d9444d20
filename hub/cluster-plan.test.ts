import { expect } from 'chai';
import { type ClusterFacts, planCluster } from './cluster-plan.ts';

const day = 86_400_000;
const now = Date.parse('2025-03-01T12:00:00Z');
const nothing: ClusterFacts = { id: 'a', isMember: false, sign: 'unknown' };
const joined: ClusterFacts = {
  ...nothing,
  isMember: true,
  lease: { joinedWith: 'f1' },
  peer: { cidrs: ['10.113.0.0/16'], hasCidrCondition: true, alive: { value: true, since: now - day } },
  sign: 'renewing',
};
const stepsOf = (facts: ClusterFacts) => planCluster(facts, now, day).steps.map(step => step.do);

describe('the plan for a cluster', () => {
  it('is empty for one that is as it should be, and for one that is unknown', () => {
    expect(planCluster(joined, now, day)).to.deep.equal({ steps: [] });
    expect(planCluster(nothing, now, day)).to.deep.equal({ steps: [] });
  });

  it('waits for an unused token to end', () => {
    const facts = { ...nothing, isMember: true, joining: { expiresAt: now + 5_000, fingerprint: 'f1' } };
    expect(planCluster(facts, now, day)).to.deep.equal({ steps: [], lookAgainAt: now + 5_000 });
  });

  it('forgets a cluster that never joined with its token, the token last', () => {
    const facts = { ...nothing, isMember: true, joining: { expiresAt: now, fingerprint: 'f1' } };
    expect(stepsOf(facts)).to.deep.equal(['forget', 'end-join']);
    // Interrupted in between.
    expect(stepsOf({ ...facts, isMember: false })).to.deep.equal(['end-join']);
  });

  it('ends a token that served at once, one that did not when its time is over', () => {
    const joining = { expiresAt: now + 5_000, fingerprint: 'f1' };
    expect(planCluster({ ...joined, joining }, now, day).steps).to.deep.equal([
      { do: 'end-join', why: 'used' },
    ]);
    const another = { expiresAt: now + 5_000, fingerprint: 'f2' };
    expect(stepsOf({ ...joined, joining: another })).to.deep.equal([]);
    expect(planCluster({ ...joined, joining: { ...another, expiresAt: now } }, now, day).steps).to.deep.equal(
      [{ do: 'end-join', why: 'expired' }],
    );
    // Its fingerprint is not written yet.
    expect(stepsOf({ ...joined, lease: {}, joining: { expiresAt: now + 5_000 } })).to.deep.equal([]);
  });

  it('gives a Peer to who has joined, and to nobody else', () => {
    const { peer: _, ...withoutPeer } = joined;
    expect(stepsOf(withoutPeer)).to.deep.equal(['give-peer']);
    expect(stepsOf({ ...withoutPeer, isMember: false })).to.deep.equal([]);
    const { lease: __, ...withoutLease } = withoutPeer;
    expect(stepsOf(withoutLease)).to.deep.equal([]);
  });

  it('tries again to give a CIDR, and says meanwhile who is alive', () => {
    const facts = { ...joined, peer: { cidrs: [], hasCidrCondition: true } };
    const plan = planCluster(facts, now, day);
    expect(plan.steps.map(step => step.do)).to.deep.equal(['give-peer', 'say-alive']);
    expect(plan.lookAgainAt).to.be.within(now + 1_000, now + 600_000);
  });

  it('says who is alive when that changes, and nothing while it is not known', () => {
    expect(planCluster({ ...joined, sign: 'silent' }, now, day).steps).to.deep.equal([
      { do: 'say-alive', alive: false },
    ]);
    expect(stepsOf({ ...joined, sign: 'unknown' })).to.deep.equal([]);
    const dead = {
      ...joined,
      peer: { cidrs: ['x'], hasCidrCondition: true, alive: { value: false, since: now - 1 } },
    };
    expect(planCluster(dead, now, day).steps).to.deep.equal([{ do: 'say-alive', alive: true }]);
  });

  it('purges who was silent for long enough, and is', () => {
    const silentSince = (since: number): ClusterFacts => ({
      ...joined,
      sign: 'silent',
      peer: { cidrs: ['x'], hasCidrCondition: true, alive: { value: false, since } },
    });
    expect(stepsOf(silentSince(now - day))).to.deep.equal(['purge']);
    expect(planCluster(silentSince(now - day + 1_000), now, day)).to.deep.equal({
      steps: [],
      lookAgainAt: now + 1_000,
    });
    // Silence is not proven: the API server may have been away.
    expect(stepsOf({ ...silentSince(now - 2 * day), sign: 'unknown' })).to.deep.equal([]);
    // It came back in time.
    expect(stepsOf({ ...silentSince(now - 2 * day), sign: 'renewing' })).to.deep.equal(['say-alive']);
  });

  it('purges nobody that it has not said to be silent before', () => {
    expect(stepsOf({ ...joined, sign: 'silent' })).to.deep.equal(['say-alive']);
    const never: ClusterFacts = { ...joined, sign: 'silent', peer: { cidrs: ['x'], hasCidrCondition: true } };
    expect(stepsOf(never)).to.deep.equal(['say-alive']);
  });

  it('purges also who has lost its ServiceAccount or its Lease', () => {
    const { lease: _, ...facts } = joined;
    const peer = { cidrs: ['x'], hasCidrCondition: true, alive: { value: false, since: now - day } };
    expect(stepsOf({ ...facts, isMember: false, sign: 'silent', peer })).to.deep.equal(['purge']);
  });
});
