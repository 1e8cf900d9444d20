import { expect } from 'chai';
import { parseHierarchies } from './cgroups.ts';

describe('cgroup hierarchies', () => {
  it('are those of the machine, of both versions', () => {
    const mountinfo = `30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpuset rw,relatime shared:7 - cgroup cgroup rw,cpuset
32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`;
    expect(parseHierarchies(mountinfo)).to.eql([
      { mountPoint: '/sys/fs/cgroup/cpuset', version: 1, cpuset: true },
      { mountPoint: '/sys/fs/cgroup/cpu,cpuacct', version: 1, cpuset: false },
      { mountPoint: '/sys/fs/cgroup/unified', version: 2, cpuset: false },
    ]);
    const unified = '28 20 0:24 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n';
    expect(parseHierarchies(unified)).to.eql([{ mountPoint: '/sys/fs/cgroup', version: 2, cpuset: false }]);
  });
});
