import { expect } from 'chai';
import { labelsToWire, nameToWire, wireToName } from './name.ts';
import { NameTable } from './nametable.ts';

describe('a name table', () => {
  it('agrees with a Map over many random changes', () => {
    const table = new NameTable<number>();
    const map = new Map<string, number>();
    for (let i = 0; i < 50_000; i++) {
      const text = `n${Math.floor(Math.random() * 700)}`;
      const name = labelsToWire([text]) ?? new Uint8Array();
      if (Math.random() < 0.55) {
        table.set(name, i);
        map.set(text, i);
      } else {
        expect(table.delete(name)).to.equal(map.delete(text));
      }
    }
    expect(table.size).to.equal(map.size);
    for (let i = 0; i < 700; i++) {
      expect(table.find(labelsToWire([`n${i}`]) ?? new Uint8Array())).to.equal(map.get(`n${i}`));
    }
  });

  it('finds a name inside a buffer', () => {
    const table = new NameTable<string>();
    table.set(labelsToWire(['a', 'b']) ?? new Uint8Array(), 'found');
    const buffer = Uint8Array.of(9, 9, 1, 0x61, 1, 0x62, 9);
    expect(table.get(buffer, 2, 6)).to.equal('found');
    expect(table.get(buffer, 2, 5)).to.equal(undefined);
  });
});

describe('names', () => {
  it('go to the wire in lower case and back', () => {
    expect(wireToName(nameToWire('WEB.Demo.svc.hyperos.local') ?? new Uint8Array())).to.equal(
      'web.demo.svc.hyperos.local.',
    );
    expect(wireToName(nameToWire('.') ?? new Uint8Array())).to.equal('.');
  });

  it('are refused where they are not legal', () => {
    for (const text of ['a..b', `${'x'.repeat(64)}.b`, 'a b', 'ä.b', `${'abcdefg.'.repeat(32)}a`, '..']) {
      expect(nameToWire(text), text).to.equal(undefined);
    }
  });

  it('show octets that are no text as RFC 1035 section 5.1 says', () => {
    expect(wireToName(Uint8Array.of(4, 0x2e, 0x5c, 0, 0xff, 0))).to.equal('\\.\\\\\\000\\255.');
  });
});
