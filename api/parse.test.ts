import { expect } from 'chai';
import { isCidr, isClusterId, portNumber } from './legal-names.ts';
import {
  anyText,
  boolean,
  listOf,
  objectOf,
  objectOrEmpty,
  optional,
  optionalText,
  parserOf,
  textMap,
  UnreadableError,
  withDefault,
} from './parse.ts';

describe('parsing objects', () => {
  const parse = parserOf(
    'Thing',
    objectOf({
      spec: objectOf({
        name: optionalText(anyText),
        ports: listOf(objectOf({ port: portNumber, on: withDefault(boolean, true) }), { max: 3 }),
        labels: textMap,
        note: optional(anyText),
      }),
      status: objectOrEmpty({ done: optional(boolean) }),
    }),
  );

  it('keeps what is known, resolves defaults, and leaves out what is absent', () => {
    const raw = { spec: { name: '', ports: [{ port: 80, extra: 1 }], note: null, other: {} }, more: true };
    expect(parse(raw)).to.deep.equal({ spec: { ports: [{ port: 80, on: true }], labels: {} }, status: {} });
  });

  it('reads null as absent, as Go writes empty lists and maps', () => {
    expect(parse({ spec: { ports: null, labels: null }, status: null })).to.deep.equal({
      spec: { ports: [], labels: {} },
      status: {},
    });
  });

  const bad: readonly [raw: unknown, says: string][] = [
    [
      { spec: { ports: [{ port: 70_000 }] } },
      'spec.ports[0].port must be an integer from 1 to 65535: current value is 70000',
    ],
    [
      { spec: { ports: [{ port: 80 }, { port: '80' }] } },
      'spec.ports[1].port must be an integer from 1 to 65535: current value is "80"',
    ],
    [
      { spec: { ports: [{}] } },
      'spec.ports[0].port must be an integer from 1 to 65535: current value is undefined',
    ],
    [{ spec: { ports: {} } }, 'spec.ports must be a list of at most 3: current value is {}'],
    [{ spec: { ports: [1, 2, 3, 4] } }, 'spec.ports must be a list of at most 3: current value is [1,2,3,4]'],
    [{ spec: { ports: [7] } }, 'spec.ports[0] must be an object: current value is 7'],
    [{ spec: { labels: { 'a.b/c': 1 } } }, 'spec.labels["a.b/c"] must be a text: current value is 1'],
    [{ spec: { labels: ['a'] } }, 'spec.labels must be an object of texts: current value is ["a"]'],
    [{ spec: [] }, 'spec must be an object: current value is []'],
    [{}, 'spec must be an object: current value is undefined'],
    [undefined, 'it must be an object: current value is undefined'],
    ['text', 'it must be an object: current value is "text"'],
  ];
  for (const [raw, says] of bad) {
    it(`says: ${says}`, () => {
      expect(() => parse(raw)).to.throw(UnreadableError, `Cannot read Thing as ${says}`);
    });
  }

  it('names the object, and gives path, expectation and value apart', () => {
    const raw = { metadata: { namespace: 'demo', name: 'web' }, spec: { ports: [{ port: 0 }] } };
    const error = caught(() => parse(raw));
    expect(error.subject).to.equal('Thing demo/web');
    expect(error.path).to.deep.equal(['spec', 'ports', 0, 'port']);
    expect(error.current).to.equal(0);
  });

  it('cuts a value that is long, and escapes control characters', () => {
    const error = caught(() => parse({ spec: { ports: `\u001b[31m\n${'x'.repeat(10_000)}` } }));
    expect(error.message).to.have.length.below(250);
    expect(error.message).to.not.match(/\p{Cc}/u);
  });

  it('takes __proto__ for a key like any other', () => {
    const raw = JSON.parse('{"spec":{"labels":{"__proto__":"x"}},"__proto__":{"polluted":true}}');
    parse(raw);
    expect(({} as { polluted?: boolean }).polluted).to.equal(undefined);
  });
});

describe('legal names', () => {
  it('knows CIDRs', () => {
    for (const text of [
      '10.112.0.0/12',
      '0.0.0.0/0',
      '192.0.2.1/32',
      '::/0',
      'fd00:10::/64',
      '2001:db8::1/128',
    ]) {
      expect(isCidr(text), text).to.equal(true);
    }
    for (const text of [
      ...[
        '',
        '/',
        '10.0.0.0',
        '10.0.0.0/',
        '10.0.0.0/33',
        '10.0.0.1/24',
        '10.0.0/8',
        '010.0.0.0/8',
        '10.0.0.0/08',
      ],
      ...[
        'fd00::1/64',
        'fd00::/129',
        'fe80::%eth0/64',
        '::ffff:10.0.0.0/104',
        '10.0.0.0/8 ',
        'a/8',
        '10.0.0.0/8/8',
      ],
    ]) {
      expect(isCidr(text), text).to.equal(false);
    }
  });

  it('knows cluster ids', () => {
    for (const id of ['a', 'cluster-1', 'c1.eu', 'x'.repeat(63)]) expect(isClusterId(id), id).to.equal(true);
    for (const id of [
      '',
      '-a',
      'a-',
      'a.b.c',
      'A',
      'a_b',
      '.a',
      'a.',
      'x'.repeat(64),
      `${'x'.repeat(32)}.${'y'.repeat(32)}`,
    ]) {
      expect(isClusterId(id), id).to.equal(false);
    }
  });
});

function caught(run: () => unknown): UnreadableError {
  try {
    run();
  } catch (error) {
    if (error instanceof UnreadableError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
