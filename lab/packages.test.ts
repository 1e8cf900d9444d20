import { expect } from 'chai';
import { missingPackages } from './packages.ts';

describe('packages', () => {
  it('misses what dpkg does not call installed', () => {
    const status = 'runc installed\nsocat config-files\n';
    expect(missingPackages(['runc', 'socat', 'buildah'], status)).to.eql(['socat', 'buildah']);
  });
});
