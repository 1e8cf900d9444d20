import { expect } from 'chai';
import { alternativeNames } from './certificates.ts';

describe('certificates', () => {
  it('tell names from addresses', () => {
    expect(alternativeNames(['a.b', '10.0.0.1', 'fd00::1'])).to.equal('DNS:a.b,IP:10.0.0.1,IP:fd00::1');
  });
});
