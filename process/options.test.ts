import { expect } from 'chai';
import { type OptionSet, type Parser, readOptions, UsageError } from './options.ts';
import { clusterId, duration, flag, httpsUrl, integer, oneOf, socketAddress, text } from './parsers.ts';

const options = {
  listen: {
    flag: 'listen',
    description: '',
    parser: socketAddress,
    default: '127.0.0.1:53',
    repeatable: true,
  },
  ttl: { flag: 'ttl', description: '', parser: integer(0, 604_800), default: '5' },
  id: {
    flag: 'cluster-id',
    description: '',
    parser: clusterId,
    required: true,
    aliases: ['OCTOPUS_CLUSTERID'],
  },
  hub: { flag: 'hub-url', description: '', parser: httpsUrl },
} as const satisfies OptionSet;

function read(given: Record<string, string[]>, environment: Record<string, string> = {}) {
  return readOptions(options, given, environment);
}

describe('options', () => {
  it('takes the flag before the variable, the variable before its alias, the alias before the default', () => {
    const environment = { NAUTI_CLUSTER_ID: 'b', OCTOPUS_CLUSTERID: 'c' };
    expect(read({ 'cluster-id': ['a'] }, environment).id).to.equal('a');
    expect(read({}, environment).id).to.equal('b');
    expect(read({}, { OCTOPUS_CLUSTERID: 'c' }).id).to.equal('c');
    expect(read({ 'cluster-id': ['a'] }).ttl).to.equal(5);
  });

  it('reads a repeatable option from a variable as a list', () => {
    const { listen } = read({ 'cluster-id': ['a'] }, { NAUTI_LISTEN: '[::1]:53, :5300' });
    expect(listen).to.deep.equal([
      { host: '::1', port: 53 },
      { host: '::', port: 5300 },
    ]);
  });

  it('leaves an option that nobody gave undefined', () => {
    expect(read({ 'cluster-id': ['a'] }).hub).to.equal(undefined);
  });

  it('names the flag, what it must be and what it is', () => {
    expect(() => read({ 'cluster-id': ['a'], ttl: ['never'] })).to.throw(
      UsageError,
      'Cannot use --ttl as it must be an integer from 0 to 604800: current value is "never"',
    );
  });

  it('names the variable where the value came from one', () => {
    expect(() => read({ 'cluster-id': ['a'] }, { NAUTI_TTL: '-1' })).to.throw(
      UsageError,
      'Cannot use NAUTI_TTL',
    );
    expect(() => read({}, { OCTOPUS_CLUSTERID: 'A' })).to.throw(UsageError, 'Cannot use OCTOPUS_CLUSTERID');
  });

  it('says which option is missing', () => {
    expect(() => read({})).to.throw(UsageError, '--cluster-id (or NAUTI_CLUSTER_ID) must be given');
  });
});

describe('parsers', () => {
  const refused: readonly [Parser<unknown>, readonly string[]][] = [
    [text, ['']],
    [flag, ['', 'yes', 'TRUE', '1']],
    [oneOf('pod', 'secondary'), ['', 'Pod', 'both']],
    [integer(1, 65_535), ['', '0', '65536', '1.5', '1e3', ' 1', '0x10', '99999999999999999999']],
    [duration, ['', '5', '-5s', '1.5s', '5 s', '1d', 's']],
    [
      socketAddress,
      ['', '53', 'localhost:53', '::1:53', '[127.0.0.1]:53', '[::1]', '1.2.3.4:65536', '1.2.3.4:'],
    ],
    [httpsUrl, ['', 'hub:6443', 'http://hub:6443', 'https://u:p@hub', 'https://hub/?a=b', 'https://hub/#a']],
    [clusterId, ['', 'A', 'a_b', '-a', 'a-', 'a.b.c', 'a..b', 'a'.repeat(64)]],
  ];
  for (const [parser, values] of refused) {
    for (const value of values) {
      it(`refuse ${JSON.stringify(value)} as ${parser.expected}`, () => {
        expect(parser.parse(value)).to.equal(undefined);
      });
    }
  }

  const taken: readonly [Parser<unknown>, string, unknown][] = [
    [flag, 'false', false],
    [oneOf('pod', 'secondary'), 'pod', 'pod'],
    [integer(-5, 5), '-5', -5],
    [duration, '500ms', 500],
    [duration, '24h', 86_400_000],
    [duration, '0', 0],
    [socketAddress, '[2001:db8::1]:53', { host: '2001:db8::1', port: 53 }],
    [clusterId, 'eu-west.cluster1', 'eu-west.cluster1'],
  ];
  for (const [parser, value, expected] of taken) {
    it(`take ${JSON.stringify(value)} as ${parser.expected}`, () => {
      expect(parser.parse(value)).to.deep.equal(expected);
    });
  }
});
