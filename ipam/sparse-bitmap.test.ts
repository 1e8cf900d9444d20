import { expect } from 'chai';
import { SparseBitmap } from './sparse-bitmap.ts';

describe('sparse bitmap', () => {
  it('sets, clears and finds bits around every boundary of words and chunks', () => {
    const bitmap = new SparseBitmap(3n * 65_536n);
    const addNextClear = (from: bigint) => {
      bitmap.hand = from;
      return bitmap.addNextClear();
    };
    for (const bit of [0n, 31n, 32n, 63n, 65_535n, 65_536n, 131_071n, 196_606n]) {
      expect(bitmap.has(bit)).to.equal(false);
      expect(bitmap.add(bit)).to.equal(true);
      expect(bitmap.add(bit)).to.equal(false);
      expect(bitmap.has(bit)).to.equal(true);
      expect(addNextClear(bit)).to.equal(bit + 1n);
      expect(bitmap.has(bit + 1n)).to.equal(true);
      expect(bitmap.delete(bit)).to.equal(true);
      expect(bitmap.delete(bit)).to.equal(false);
      expect(addNextClear(bit)).to.equal(bit);
      expect(bitmap.delete(bit)).to.equal(true);
      expect(bitmap.delete(bit + 1n)).to.equal(true);
    }
  });

  it('does not find a bit behind a size that ends inside a word', () => {
    const bitmap = new SparseBitmap(5n);
    const found = Array.from({ length: 6 }, () => bitmap.addNextClear());
    expect(found).to.deep.equal([0n, 1n, 2n, 3n, 4n, undefined]);
    bitmap.hand = 5n;
    expect(bitmap.addNextClear()).to.equal(undefined);
  });

  it('spends nothing on what is not used of 2¹²⁸', () => {
    const bitmap = new SparseBitmap(1n << 128n);
    const far = (1n << 127n) + 5n;
    bitmap.add(far);
    bitmap.hand = far;
    expect(bitmap.addNextClear()).to.equal(far + 1n);
    expect([...bitmap.runs()]).to.deep.equal([[far, 2n]]);
  });

  it('joins runs across chunks', () => {
    const bitmap = new SparseBitmap(200_000n);
    for (let bit = 65_530n; bit < 131_080n; bit++) bitmap.add(bit);
    bitmap.add(3n);
    expect([...bitmap.runs()]).to.deep.equal([
      [3n, 1n],
      [65_530n, 65_550n],
    ]);
  });
});
