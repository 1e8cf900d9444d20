import { expect } from 'chai';
import { alternativeNames } from './certificates.ts';
import { parseHierarchies } from './cgroups.ts';
import { findDebianMirror } from './debian-mirror.ts';
import { labMounts } from './down.ts';
import { missingPackages } from './packages.ts';
import { parseRecord } from './registry.ts';
import { cacheDirectory, moduleVersion, printsVersion } from './tools.ts';

describe('tools', () => {
  it('takes versions from go.mod', () => {
    const text =
      'module x\n\nrequire (\n\tk8s.io/kubernetes-extra v9.9.9\n\tk8s.io/kubernetes v1.35.4 // indirect\n)\n';
    expect(moduleVersion(text, 'k8s.io/kubernetes')).to.equal('v1.35.4');
    expect(moduleVersion('require a.b/c v1.0.0\n', 'a.b/c')).to.equal('v1.0.0');
    expect(() => moduleVersion(text, 'a.b/c')).to.throw('does not require');
  });

  it('accepts a tool of the PATH only in the very version', () => {
    expect(printsVersion('Kubernetes v1.35.4\n', 'v1.35.4')).to.equal(true);
    expect(printsVersion('etcd Version: 3.6.6\nGit SHA: 1', 'v3.6.6')).to.equal(true);
    expect(printsVersion('CoreDNS-1.15.0\nlinux/amd64, go1.26.8,', 'v1.15.0')).to.equal(true);
    for (const other of ['v1.35.40', 'v1.35.3', 'v11.35.4', '1x35y4', 'v1.35.4.1']) {
      expect(printsVersion(`Kubernetes ${other}`, 'v1.35.4'), other).to.equal(false);
    }
  });

  it('keeps its cache where the user wants it', () => {
    expect(cacheDirectory({ XDG_CACHE_HOME: '/c' })).to.equal('/c/nauti');
    expect(cacheDirectory({})).to.match(/\/\.cache\/nauti$/);
  });
});

describe('packages', () => {
  it('misses what dpkg does not call installed', () => {
    const status = 'runc installed\nsocat config-files\n';
    expect(missingPackages(['runc', 'socat', 'buildah'], status)).to.eql(['socat', 'buildah']);
  });
});

describe('Debian mirror', () => {
  const lines = `# deb http://old.example/debian bookworm main
deb [signed-by=/k.gpg] http://apt.example/tool bookworm tool
deb http://security.example/debian-security bookworm-security main
deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib
`;
  const paragraphs = `Types: deb
# http://snapshot.example/
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

Types: deb deb-src
URIs: http://other.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /k.gpg
`;

  it('is found in both formats of apt sources', () => {
    expect(findDebianMirror([lines], 'bookworm')).to.equal('http://mirror.example/debian');
    expect(findDebianMirror(['', paragraphs], 'bookworm')).to.equal('http://other.example/debian');
  });

  it('is none where sources are of something else, or off', () => {
    expect(findDebianMirror([lines, paragraphs], 'noble')).to.equal(undefined);
    expect(findDebianMirror([paragraphs.replaceAll('Types:', 'Enabled: no\nTypes:')], 'bookworm')).to.equal(
      undefined,
    );
  });
});

describe('certificates', () => {
  it('tell names from addresses', () => {
    expect(alternativeNames(['a.b', '10.0.0.1', 'fd00::1'])).to.equal('DNS:a.b,IP:10.0.0.1,IP:fd00::1');
  });
});

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

describe('record of the lab', () => {
  const record = {
    checkout: '/a',
    state: '/a/.lab/state',
    podNetworks: 'routed',
    clusters: ['hub'],
    since: '2026',
  };

  it('is read as it was written', () => {
    expect(parseRecord(JSON.stringify(record))).to.eql(record);
  });

  it('is nothing where it is broken', () => {
    for (const text of [
      '',
      '{',
      'null',
      '[]',
      '{"checkout":1}',
      JSON.stringify({ ...record, podNetworks: 'odd' }),
    ]) {
      expect(parseRecord(text), text).to.equal(undefined);
    }
  });

  it('names no cluster that does not exist', () => {
    expect(parseRecord(JSON.stringify({ ...record, clusters: ['hub', '../x', 7] }))?.clusters).to.eql([
      'hub',
    ]);
  });
});

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
