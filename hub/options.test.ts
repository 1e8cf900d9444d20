import { expect } from 'chai';
import { formatCidr } from '../ipam/cidr.ts';
import { readOptions } from '../process/options.ts';
import { options } from './options.ts';

describe('options of the hub', () => {
  it('have the defaults of the contract', () => {
    const values = readOptions(options, {}, {});
    expect(values).to.include({
      clusterId: 'hub',
      shareNamespace: 'syncer-operator',
      purgeAfter: 86_400_000,
    });
    expect(values.cidr.map(formatCidr)).to.deep.equal(['10.112.0.0/12']);
  });

  it('take a CIDR of each family, also from the environment', () => {
    const values = readOptions(options, {}, { OCTOPUS_CIDR: '10.112.0.0/12, fd00:112::/48' });
    expect(values.cidr.map(formatCidr)).to.deep.equal(['10.112.0.0/12', 'fd00:112::/48']);
  });

  for (const text of ['10.112.0.1/12', '10.112.0.0', '10.0.0.0/8,11.0.0.0/8', '10.0.0.0/8,', 'x']) {
    it(`refuse ${text}`, () => {
      expect(() => readOptions(options, { cidr: [text] }, {})).to.throw(
        'Cannot use --cidr as it must be a CIDR',
      );
    });
  }
});
