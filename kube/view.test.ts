import { expect } from 'chai';
import { silentLogger } from '../process/log.ts';
import { type Change, View } from './view.ts';

interface Value {
  readonly color: string;
}

describe('View', () => {
  const never = () => false;
  let view: View<Value>;
  let changes: Change<Value>[];

  beforeEach(() => {
    const color = (value: Value) => {
      if (value.color === 'bad') throw new Error('no color');
      return [value.color];
    };
    view = new View<Value>({ color }, silentLogger());
    changes = [];
    view.subscribe(change => changes.push(change));
  });

  it('tells of each change with what was before', () => {
    const [red, blue] = [{ color: 'red' }, { color: 'blue' }];
    view.set('a', red, '1', never);
    view.set('a', blue, '2', never);
    view.delete('a');
    view.delete('a');
    expect(changes).to.deep.equal([
      { key: 'a', after: red },
      { key: 'a', before: red, after: blue },
      { key: 'a', before: blue },
    ]);
  });

  it('keeps its indexes as the values are', () => {
    view.set('a', { color: 'red' }, '1', never);
    view.set('b', { color: 'red' }, '1', never);
    view.set('b', { color: 'blue' }, '2', never);
    expect(view.byIndex('color', 'red')).to.deep.equal([{ color: 'red' }]);
    expect(view.byIndex('color', 'blue')).to.deep.equal([{ color: 'blue' }]);
    view.delete('b');
    expect(view.byIndex('color', 'blue')).to.deep.equal([]);
    expect(() => view.byIndex('size', 'x')).to.throw(TypeError, 'must be one of ["color"]');
  });

  it('changes nothing where an index function throws', () => {
    view.set('a', { color: 'red' }, '1', never);
    expect(() => view.set('a', { color: 'bad' }, '2', never)).to.throw('no color');
    expect(() => view.set('b', { color: 'bad' }, '2', never)).to.throw('no color');
    expect(view.get('a')).to.deep.equal({ color: 'red' });
    expect([view.size, changes.length]).to.deep.equal([1, 1]);
    expect(view.byIndex('color', 'red')).to.have.length(1);
  });

  it('keeps the former value where the new one says nothing new', () => {
    const first = { color: 'red' };
    view.set('a', first, '1', never);
    view.set('a', { color: 'red' }, '2', before => before.color === 'red');
    expect(view.get('a')).to.equal(first);
    expect(view.resourceVersion('a')).to.equal('2');
    expect(changes).to.have.length(1);
  });

  it('tells the others where a subscriber throws, and nobody who has left', () => {
    const left = view.subscribe(() => expect.fail('it has left'));
    left();
    view.subscribe(() => {
      throw new Error('of a subscriber');
    });
    let told = 0;
    view.subscribe(() => told++);
    view.set('a', { color: 'red' }, '1', never);
    expect([told, changes.length, view.size]).to.deep.equal([1, 1, 1]);
  });
});
