import { expect } from 'chai';
import { applyDifference, decode, defaultOf, sameValue } from './decode.ts';
import { ProtocolError } from './errors.ts';
import { columnOf } from './schema.ts';
import { sampleSchema } from './testing/sample-schema.ts';
import type { ColumnValue } from './value.ts';

const id = '11111111-2222-3333-4444-555555555555';
const column = (name: string) => columnOf(sampleSchema, 'Thing', name);

describe('decoding of values', () => {
  const good: readonly (readonly [string, unknown, ColumnValue])[] = [
    ['name', 'x', 'x'],
    ['count', 7, 7],
    ['share', ['set', []], undefined],
    ['share', ['set', [0.5]], 0.5],
    ['share', 0.5, 0.5],
    ['tags', 'a', ['a']],
    ['tags', ['set', ['a', 'b']], ['a', 'b']],
    ['parts', ['uuid', id], [id]],
    ['owner', ['set', []], undefined],
    ['options', ['map', [['a', '1']]], new Map([['a', '1']])],
  ];
  for (const [name, wire, value] of good) {
    it(`${name} from ${JSON.stringify(wire)}`, () => expect(decode(column(name), wire)).to.deep.equal(value));
  }

  const bad: readonly (readonly [string, unknown])[] = [
    ['name', 1],
    ['name', null],
    ['name', ['set', ['x']]],
    ['count', '7'],
    ['share', ['set', [1, 2]]],
    ['tags', ['set', 'a']],
    ['tags', ['set', [1]]],
    ['parts', id],
    ['options', ['set', []]],
    ['options', ['map', [['a']]]],
    ['options', {}],
  ];
  for (const [name, wire] of bad) {
    it(`${name} refuses ${JSON.stringify(wire)}`, () => {
      expect(() => decode(column(name), wire)).to.throw(
        ProtocolError,
        `Cannot read Thing.${name} as it must be`,
      );
    });
  }

  it('knows what columns hold by default', () => {
    const names = ['name', 'count', 'share', 'on', 'tags', 'options', 'owner'];
    expect(names.map(name => defaultOf(column(name).type))).to.deep.equal([
      '',
      0,
      undefined,
      false,
      [],
      new Map(),
      undefined,
    ]);
  });
});

describe('differences of update2', () => {
  const cases: readonly (readonly [string, string, ColumnValue, unknown, ColumnValue])[] = [
    ['a single value is replaced', 'name', 'a', 'b', 'b'],
    ['an optional value is replaced', 'share', 0.5, 0.7, 0.7],
    ['an optional value is taken away', 'share', 0.5, ['set', []], undefined],
    ['a set toggles', 'tags', ['a', 'b', 'c'], ['set', ['b', 'd']], ['a', 'c', 'd']],
    ['a set becomes empty', 'tags', ['a'], 'a', []],
    ['a small set toggles too', 'pair', [1], ['set', [1, 2]], [2]],
    ['a map gets a key', 'options', new Map(), ['map', [['a', '1']]], new Map([['a', '1']])],
    [
      'a map loses a key that comes with its value',
      'options',
      new Map([['a', '1']]),
      ['map', [['a', '1']]],
      new Map(),
    ],
    ['a map changes a value', 'options', new Map([['a', '1']]), ['map', [['a', '2']]], new Map([['a', '2']])],
  ];
  for (const [what, name, before, wire, after] of cases) {
    it(what, () => {
      const copy = structuredClone(before);
      expect(applyDifference(column(name), before, wire)).to.deep.equal(after);
      expect(before).to.deep.equal(copy);
    });
  }
});

describe('equality of values', () => {
  it('has no order in sets and maps', () => {
    expect(sameValue(['a', 'b'], ['b', 'a'])).to.equal(true);
    expect(sameValue(['a', 'b'], ['a', 'c'])).to.equal(false);
    expect(sameValue(['a'], ['a', 'b'])).to.equal(false);
    expect(
      sameValue(
        new Map([
          ['a', 1],
          ['b', 2],
        ]),
        new Map([
          ['b', 2],
          ['a', 1],
        ]),
      ),
    ).to.equal(true);
    expect(sameValue(new Map([['a', 1]]), new Map([['a', 2]]))).to.equal(false);
    expect(sameValue(undefined, [])).to.equal(false);
    expect(sameValue(1, 1)).to.equal(true);
  });
});
