import { expect } from 'chai';
import { labMounts } from './down.ts';

describe('mounts of a lab', () => {
  const mountinfo = `1 0 8:1 / / rw - ext4 /dev/a rw
2 1 8:1 / /a/.lab/state/nodes/n rw - ext4 /dev/a rw
3 2 8:1 / /a/.lab/state/nodes/n/usr rw - ext4 /dev/a rw
4 1 0:4 net:[1] /run/netns/nauti-hub rw - nsfs nsfs rw
5 1 0:4 net:[2] /run/netns/other rw - nsfs nsfs rw
6 1 8:1 / /a/.lab/state2 rw - ext4 /dev/a rw
`;

  it('are taken away deepest first, and no others', () => {
    expect(labMounts(mountinfo, '/a/.lab/state')).to.eql([
      '/run/netns/nauti-hub',
      '/a/.lab/state/nodes/n/usr',
      '/a/.lab/state/nodes/n',
    ]);
    expect(labMounts(mountinfo, undefined)).to.eql(['/run/netns/nauti-hub']);
  });
});
