import { expect } from 'chai';
import { formatEndpoint, parseEndpoint, parseEndpoints } from './endpoint.ts';

describe('endpoint', () => {
  for (const text of [
    'tcp:198.51.100.7:6641',
    'tcp:[fd00::7]:6641',
    'ssl:ovn-nb.example:6641',
    'unix:/run/ovn/ovnnb_db.sock',
  ]) {
    it(`reads and prints ${text}`, () => {
      const endpoint = parseEndpoint(text);
      expect(endpoint && formatEndpoint(endpoint)).to.equal(text);
    });
  }

  it('knows the port that OVSDB has by default', () => {
    expect(parseEndpoint('tcp:127.0.0.1')).to.deep.equal({ kind: 'tcp', host: '127.0.0.1', port: 6640 });
  });

  const illegal = [
    '',
    'tcp:',
    'tcp::6641',
    'tcp:1.2.3.4:',
    'tcp:1.2.3.4:0',
    'tcp:1.2.3.4:65536',
    'tcp:fd00::7:6641',
  ];
  for (const text of [
    ...illegal,
    'ssl:a b:1',
    'http:a:1',
    'unix:',
    'unix:/a\0b',
    '1.2.3.4:6641',
    'tcp:[x]:1',
  ]) {
    it(`does not read ${JSON.stringify(text)}`, () => expect(parseEndpoint(text)).to.equal(undefined));
  }

  it('reads lists', () => {
    expect(parseEndpoints('tcp:a:1, tcp:b:2')?.map(formatEndpoint)).to.deep.equal(['tcp:a:1', 'tcp:b:2']);
    expect(parseEndpoints('tcp:a:1,')).to.equal(undefined);
  });
});
