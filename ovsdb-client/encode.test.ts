import { expect } from 'chai';
import { encode } from './encode.ts';
import { ColumnTypeError } from './errors.ts';
import { columnOf } from './schema.ts';
import { sampleSchema } from './testing/sample-schema.ts';
import { type AnyOperation, encodeConditionsOf, encodeMutationsOf } from './testing/wire.ts';
import { NewRow } from './value.ts';

const id = '11111111-2222-3333-4444-555555555555';

describe('encoding of values', () => {
  const good: readonly (readonly [string, unknown, unknown])[] = [
    ['name', 'x', 'x'],
    ['count', 4095, 4095],
    ['share', undefined, ['set', []]],
    ['share', 0.5, 0.5],
    ['on', false, false],
    ['kind', 'red', 'red'],
    ['code', '𝕏𝕏', '𝕏𝕏'],
    ['tags', ['a', 'b'], ['set', ['a', 'b']]],
    ['pair', [], ['set', []]],
    [
      'parts',
      [id, new NewRow('row0', 0)],
      [
        'set',
        [
          ['uuid', id],
          ['named-uuid', 'row0'],
        ],
      ],
    ],
    ['owner', new NewRow('row0', 0), ['named-uuid', 'row0']],
    ['options', new Map([['a', '1']]), ['map', [['a', '1']]]],
    [
      'options',
      { a: '1', b: '2' },
      [
        'map',
        [
          ['a', '1'],
          ['b', '2'],
        ],
      ],
    ],
    ['weights', new Map([[1, 0.5]]), ['map', [[1, 0.5]]]],
  ];
  for (const [column, value, wire] of good) {
    it(`${column} takes ${JSON.stringify(value)}`, () => {
      expect(encode(columnOf(sampleSchema, 'Thing', column), value)).to.deep.equal(wire);
    });
  }

  const bad: readonly (readonly [string, unknown, string])[] = [
    ['name', 1, 'a text: current value is 1'],
    ['name', undefined, 'a text: current value is undefined'],
    ['name', 'a\0b', 'a text'],
    ['name', '\ud800', 'a text'],
    ['count', 0, 'an integer from 1 to 4095: current value is 0'],
    ['count', 1.5, 'an integer from 1 to 4095'],
    ['count', 2 ** 53, 'an integer from 1 to 4095'],
    ['share', Number.NaN, 'a number, or undefined'],
    ['share', [0.5], 'a number, or undefined: current value is [0.5]'],
    ['on', 'true', 'true or false'],
    ['kind', 'blue', 'one of "red", "green", or undefined: current value is "blue"'],
    ['code', 'x', 'a text of a length from 2 to 4'],
    ['tags', 'a', 'a list of a text: current value is "a"'],
    ['tags', ['a', 2], 'a list of a text'],
    ['pair', [1, 2, 3], 'a list of 0 to 2 of an integer'],
    ['parts', ['x'], 'a list of a UUID or a new row of Part: current value is ["x"]'],
    ['options', [['a', '1']], 'a Map of a text to a text'],
    ['options', { a: 1 }, 'a Map of a text to a text: current value is {"a":1}'],
    [
      'options',
      new Map<unknown, unknown>([[1, 'x']]),
      'a Map of a text to a text: current value is [[1,"x"]]',
    ],
    ['weights', { 1: 0.5 }, 'a Map of an integer to a number'],
  ];
  for (const [column, value, message] of bad) {
    it(`${column} refuses ${JSON.stringify(value)}`, () => {
      expect(() => encode(columnOf(sampleSchema, 'Thing', column), value)).to.throw(
        ColumnTypeError,
        `Cannot use Thing.${column} as it must be ${message}`,
      );
    });
  }
});

describe('encoding of conditions and mutations', () => {
  const conditions: readonly (readonly [AnyOperation, unknown])[] = [
    [
      ['name', '==', 'x'],
      ['name', '==', 'x'],
    ],
    [
      ['_uuid', '==', id],
      ['_uuid', '==', ['uuid', id]],
    ],
    [
      ['share', '==', undefined],
      ['share', '==', ['set', []]],
    ],
    [
      ['share', '<', 0.5],
      ['share', '<', 0.5],
    ],
    [
      ['tags', 'includes', ['a']],
      ['tags', 'includes', ['set', ['a']]],
    ],
    [
      ['owner', 'excludes', id],
      ['owner', 'excludes', ['set', [['uuid', id]]]],
    ],
    [
      ['options', 'includes', { a: '1' }],
      ['options', 'includes', ['map', [['a', '1']]]],
    ],
  ];
  for (const [condition, wire] of conditions) {
    it(`condition ${JSON.stringify(condition)}`, () =>
      expect(encodeConditionsOf(condition)).to.deep.equal([wire]));
  }
  it('every row is true', () => expect(encodeConditionsOf(true)).to.deep.equal([true]));

  const mutations: readonly (readonly [AnyOperation, unknown])[] = [
    [
      ['count', '+=', 3],
      ['count', '+=', 3],
    ],
    [
      ['tags', 'insert', ['a']],
      ['tags', 'insert', ['set', ['a']]],
    ],
    [
      ['parts', 'delete', [id]],
      ['parts', 'delete', ['set', [['uuid', id]]]],
    ],
    [
      ['options', 'insert', { a: '1' }],
      ['options', 'insert', ['map', [['a', '1']]]],
    ],
    [
      ['options', 'delete', ['a']],
      ['options', 'delete', ['set', ['a']]],
    ],
    [
      ['options', 'delete', new Map([['a', '1']])],
      ['options', 'delete', ['map', [['a', '1']]]],
    ],
  ];
  for (const [mutation, wire] of mutations) {
    it(`mutation ${JSON.stringify(mutation)}`, () =>
      expect(encodeMutationsOf(mutation)).to.deep.equal([wire]));
  }

  it('refuses what does not fit', () => {
    expect(() => encodeConditionsOf(['tags', 'includes', 'a'])).to.throw(ColumnTypeError, 'a list');
    expect(() => encodeConditionsOf(['name', '==', 1])).to.throw(ColumnTypeError);
    expect(() => encodeMutationsOf(['count', '+=', 'x'])).to.throw(ColumnTypeError, 'changed by a number');
    expect(() => encodeMutationsOf(['tags', 'insert', [1]])).to.throw(ColumnTypeError, 'a list of a text');
  });
});
