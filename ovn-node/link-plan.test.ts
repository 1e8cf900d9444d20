import { expect } from 'chai';
import { memberOf, planLink } from './link-plan.ts';

describe('the plan of the link between members', () => {
  it('knows a member by the number of its pod', () => {
    expect(memberOf('nauti-ovn-central-0')).to.equal(0);
    expect(memberOf('nauti-ovn-central-12')).to.equal(12);
    for (const name of ['nauti-ovn-central', 'nauti-ovn-central-', 'nauti-ovn-central-01', 'a-1234', ''])
      expect(memberOf(name), name).to.equal(undefined);
  });

  it('listens for each service of each other member, at the address that stands for it', () => {
    const { listeners, targets } = planLink(1, 3, '/run/ovn');
    expect(
      listeners.map(({ host, port, member, service }) => `${host}:${port} ${member} ${service}`),
    ).to.deep.equal([
      '127.1.0.1:6643 0 nb-raft',
      '127.1.0.1:6644 0 sb-raft',
      '127.1.0.1:16641 0 nb',
      '127.1.0.1:16642 0 sb',
      '127.1.0.1:16640 0 port',
      '127.1.0.3:6643 2 nb-raft',
      '127.1.0.3:6644 2 sb-raft',
      '127.1.0.3:16641 2 nb',
      '127.1.0.3:16642 2 sb',
      '127.1.0.3:16640 2 port',
    ]);
    expect(targets['sb-raft']).to.deep.equal({ kind: 'tcp', host: '127.1.0.2', port: 6644 });
    expect(targets.sb).to.deep.equal({ kind: 'unix', path: '/run/ovn/ovnsb_db.sock' });
  });
});
