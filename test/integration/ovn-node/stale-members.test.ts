import { join } from 'node:path';
import { expect } from 'chai';
import { run } from '../../../lab/command.ts';
import { checkout } from '../../../lab/tools.ts';

/** What `ovs-appctl cluster/status` of Open vSwitch 3.5 says, in part. */
const status = (servers: string) => `Name: OVN_Northbound
Role: leader
Connections: <-7e25 ->7e25
Servers:
${servers}`;

describe('members of a database that are taken out', () => {
  const stale = (servers: string) =>
    run(
      'awk',
      [
        '-v',
        'members=3',
        '-v',
        'raft=6643',
        '-f',
        join(checkout, 'ovn-node', 'scripts', 'stale-members.awk'),
      ],
      { input: status(servers) },
    ).then(text => text.split('\n').filter(line => line !== ''));

  it('are none where each address has one', async () => {
    expect(
      await stale(`    c6f0 (c6f0 at tcp:127.1.0.3:6643) next_index=23 match_index=22 last msg 858 ms ago
    7e25 (7e25 at tcp:127.1.0.2:6643) next_index=23 match_index=22
    c85b (c85b at tcp:127.1.0.1:6643) (self) next_index=3 match_index=22
`),
    ).to.deep.equal([]);
  });

  it('are those whose place another one has taken: the ones heard of longest ago, and never itself', async () => {
    const old = '    c6f0 (c6f0 at tcp:127.1.0.3:6643) next_index=23 match_index=22 last msg 60858 ms ago\n';
    const never = '    c6f1 (c6f1 at tcp:127.1.0.3:6643) next_index=23 match_index=22\n';
    const fresh = '    4123 (4123 at tcp:127.1.0.3:6643) next_index=42 match_index=41 last msg 87 ms ago\n';
    expect(await stale(old + never + fresh)).to.have.members(['c6f0', 'c6f1']);
    expect(await stale(fresh + old)).to.deep.equal(['c6f0']);
    const self = '    c85b (c85b at tcp:127.1.0.1:6643) (self) next_index=3 match_index=22\n';
    expect(await stale(`    aaaa (aaaa at tcp:127.1.0.1:6643) last msg 5 ms ago\n${self}`)).to.deep.equal([
      'aaaa',
    ]);
  });

  it('are those that are more than there are to be', async () => {
    expect(
      await stale('    c6f0 (c6f0 at tcp:127.1.0.5:6643) next_index=23 match_index=22 last msg 8 ms ago\n'),
    ).to.deep.equal(['c6f0']);
  });
});
