import { expect } from 'chai';
import { checkSandbox, SandboxError } from './sandbox.ts';

const sandbox = {
  id: 'abc',
  uid: '5b4d8a2e-0000-4000-8000-000000000001',
  namespace: 'demo',
  name: 'web-0',
  netns: '/run/netns/cni-1',
  annotations: {},
};

describe('a sandbox', () => {
  it('is kept with those of its annotations alone that say what was allocated', () => {
    const annotations = {
      'nauti.io/allocated': 'true',
      'kubectl.kubernetes.io/last-applied-configuration': 'x'.repeat(200_000),
    };
    expect(checkSandbox({ ...sandbox, annotations })).to.deep.equal({
      ...sandbox,
      annotations: { 'nauti.io/allocated': 'true' },
    });
  });

  for (const [field, value] of Object.entries({ id: '', uid: '../x', namespace: 'a/b', name: 'a\nb' }))
    it(`is refused with the ${field} ${JSON.stringify(value)}`, () => {
      expect(() => checkSandbox({ ...sandbox, [field]: value })).to.throw(SandboxError, field);
    });
});
