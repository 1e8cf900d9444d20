import { mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { cacheDirectory, linkTool, moduleVersion, printsVersion } from './tools.ts';

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

  it('puts a link in place however many do so at once, whatever was there', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'nauti-tools-'));
    const path = join(directory, 'kubectl');
    try {
      await writeFile(path, 'a file');
      for (const target of ['/first', '/second']) {
        await Promise.all(Array.from({ length: 16 }, () => linkTool(target, path)));
        expect(await readlink(path)).to.equal(target);
        expect(await readdir(directory)).to.deep.equal(['kubectl']);
      }
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
