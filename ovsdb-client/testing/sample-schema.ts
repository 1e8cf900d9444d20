import { parseSchema } from '../schema.ts';

/** One column of every form and type. */
export const sampleSchemaJson = {
  name: 'Sample',
  version: '1.2.3',
  tables: {
    Thing: {
      isRoot: true,
      columns: {
        name: { type: 'string' },
        count: { type: { key: { type: 'integer', minInteger: 1, maxInteger: 4095 } } },
        share: { type: { key: 'real', min: 0, max: 1 } },
        on: { type: 'boolean' },
        kind: { type: { key: { type: 'string', enum: ['set', ['red', 'green']] }, min: 0, max: 1 } },
        code: { type: { key: { type: 'string', minLength: 2, maxLength: 4 } } },
        tags: { type: { key: 'string', min: 0, max: 'unlimited' } },
        pair: { type: { key: 'integer', min: 0, max: 2 } },
        parts: { type: { key: { type: 'uuid', refTable: 'Part' }, min: 0, max: 'unlimited' } },
        owner: { type: { key: { type: 'uuid', refTable: 'Part', refType: 'weak' }, min: 0, max: 1 } },
        options: { type: { key: 'string', value: 'string', min: 0, max: 'unlimited' } },
        weights: { type: { key: 'integer', value: 'real', min: 0, max: 'unlimited' } },
        fixed: { type: 'string', mutable: false },
      },
    },
    Part: { columns: { label: { type: 'string' } } },
  },
};

export const sampleSchema = parseSchema(sampleSchemaJson);
