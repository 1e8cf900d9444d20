import { expect } from 'chai';
import { options } from './options.ts';

describe('addresses of the own pod', () => {
  const read = (text: string) => options.podIps.parser.parse(text);

  it('are one, or one a family, as the downward API writes them', () => {
    expect(read('10.244.0.7')).to.deep.equal(['10.244.0.7']);
    expect(read('10.244.0.7,fd00::7')).to.deep.equal(['10.244.0.7', 'fd00::7']);
  });

  it('are refused where anything is no address', () => {
    for (const text of ['', 'x', '10.244.0.7,', '10.244.0.7/24', '10.244.0.7 fd00::7'])
      expect(read(text), text).to.equal(undefined);
  });
});
