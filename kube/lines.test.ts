import { expect } from 'chai';
import { LineSplitter, LineTooLong } from './lines.ts';

function split(text: string, size: number, limit = 1_000): string[] {
  const bytes = Buffer.from(text);
  const splitter = new LineSplitter(limit);
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += size) lines.push(...splitter.push(bytes.subarray(at, at + size)));
  return lines;
}

describe('LineSplitter', () => {
  const text = '{"a":"é\\n𝄞"}\n\n{}\nlong long long long line\nnot ended';
  const lines = ['{"a":"é\\n𝄞"}', '{}', 'long long long long line'];

  it('gives the same lines wherever the bytes are cut', () => {
    for (let size = 1; size <= Buffer.byteLength(text); size++)
      expect(split(text, size)).to.deep.equal(lines);
  });

  it('refuses a line above its limit, ended or not', () => {
    for (const size of [1, 7, 100]) {
      expect(split(`${'a'.repeat(10)}\nb\n`, size, 10)).to.deep.equal(['a'.repeat(10), 'b']);
      expect(() => split(`${'a'.repeat(11)}\n`, size, 10)).to.throw(LineTooLong);
      expect(() => split('a'.repeat(11), size, 10)).to.throw(LineTooLong);
    }
  });

  it('takes a long line byte by byte in linear time', () => {
    const startedAt = performance.now();
    expect(split(`${'a'.repeat(300_000)}\n`, 1, 1_000_000)[0]).to.have.length(300_000);
    expect(performance.now() - startedAt).to.be.below(30_000);
  });
});
