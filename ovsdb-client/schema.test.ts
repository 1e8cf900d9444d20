import { expect } from 'chai';
import { ProtocolError, UnknownColumnError } from './errors.ts';
import { columnOf, parseSchema, tableOf } from './schema.ts';
import { sampleSchema, sampleSchemaJson } from './testing/sample-schema.ts';

describe('schema', () => {
  it('gives each column its form', () => {
    const forms = [...tableOf(sampleSchema, 'Thing').columns.values()].map(
      ({ name, type }) => `${name}: ${type.form}`,
    );
    expect(forms).to.deep.equal([
      '_uuid: scalar',
      'name: scalar',
      'count: scalar',
      'share: optional',
      'on: scalar',
      'kind: optional',
      'code: scalar',
      'tags: set',
      'pair: set',
      'parts: set',
      'owner: optional',
      'options: map',
      'weights: map',
      'fixed: scalar',
    ]);
    expect(tableOf(sampleSchema, 'Thing').isRoot).to.equal(true);
    expect(columnOf(sampleSchema, 'Thing', 'fixed').mutable).to.equal(false);
  });

  it('names the table or column that does not exist', () => {
    expect(() => tableOf(sampleSchema, 'Think')).to.throw(UnknownColumnError, 'table Think as Sample 1.2.3');
    expect(() => columnOf(sampleSchema, 'Thing', 'nam')).to.throw(
      UnknownColumnError,
      'column Thing.nam as Sample',
    );
  });

  const column = (type: unknown) => ({ name: 'X', tables: { T: { columns: { c: { type } } } } });
  const broken: readonly (readonly [unknown, string])[] = [
    [null, 'the schema must be an object'],
    [[], 'the schema must be an object'],
    [{}, 'the name of the schema must be a text'],
    [{ name: 'X' }, 'tables must be an object'],
    [{ name: 'X', tables: { T: 1 } }, 'T must be an object'],
    [column(undefined), 'the type of T.c must be an object'],
    [column('text'), 'the type of T.c must be one of integer, real'],
    [column({ key: 'string', min: 2 }), '"min" of T.c must be 0 or 1'],
    [column({ key: 'string', max: 0 }), '"max" of T.c must be at least 1'],
    [column({ key: { type: 'string', enum: ['set', 1] } }), 'the enum of T.c must be a set'],
  ];
  for (const [value, message] of broken) {
    it(`refuses ${JSON.stringify(value)}`, () =>
      expect(() => parseSchema(value)).to.throw(ProtocolError, message));
  }

  it('takes a schema without a version, as old servers have', () => {
    expect(parseSchema({ ...sampleSchemaJson, version: undefined }).version).to.equal('');
  });
});
