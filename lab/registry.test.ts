import { expect } from 'chai';
import { parseRecord } from './registry.ts';

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
