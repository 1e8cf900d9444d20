import { expect } from 'chai';
import { KeyIndex } from './key-index.ts';

describe('KeyIndex', () => {
  it('knows the keys of a value, once each, and forgets values without keys', () => {
    const index = new KeyIndex();
    const keys = () => [...index.get('v')].sort();
    index.remove('v', 'none');
    expect(keys()).to.deep.equal([]);
    index.add('v', 'a');
    index.add('v', 'a');
    expect(keys()).to.deep.equal(['a']);
    index.add('v', 'b');
    index.add('w', 'a');
    expect(keys()).to.deep.equal(['a', 'b']);
    index.remove('v', 'a');
    index.remove('v', 'a');
    expect(keys()).to.deep.equal(['b']);
    index.remove('v', 'b');
    index.remove('w', 'b');
    expect(index.size).to.equal(1);
    index.remove('w', 'a');
    expect(index.size).to.equal(0);
  });
});
