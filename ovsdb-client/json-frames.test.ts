import { expect } from 'chai';
import { ProtocolError } from './errors.ts';
import { FrameScanner } from './json-frames.ts';
import { randomJson, withSeed } from './testing/random.ts';

/** The frames that come out when the bytes go in cut as told. */
function scan(chunks: readonly Buffer[], maxBytes = 1_000_000): string[] {
  const scanner = new FrameScanner(maxBytes);
  return chunks.flatMap(chunk => [...scanner.push(chunk)].map(frame => frame.toString('utf8')));
}

function scanText(text: string): string[] {
  return scan([Buffer.from(text)]);
}

describe('JSON frames', () => {
  it('cuts objects that stand side by side, or with blanks between them', () => {
    expect(scanText('{}{"a":1} \r\n\t{"b":[{}]}')).to.deep.equal(['{}', '{"a":1}', '{"b":[{}]}']);
  });

  it('takes brackets and escaped quotes in texts as text', () => {
    const frames = ['{"a":"}]"}', '{"a":"\\"}"}', '{"a":"\\\\"}', '{"\\\\\\"{":"[[["}'];
    expect(scanText(frames.join(''))).to.deep.equal(frames);
  });

  it('keeps the beginning of a frame until its end comes', () => {
    expect(scanText('{"a":')).to.deep.equal([]);
    expect(scan([Buffer.from('{"a":"x'), Buffer.from('y"'), Buffer.from('}{')])).to.deep.equal([
      '{"a":"xy"}',
    ]);
  });

  for (const text of [
    '[]',
    'x',
    '"{}"',
    '}',
    '{}]',
    '\u0000{}',
    'GET / HTTP/1.1\r\n',
    '\u0016\u0003\u0001',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () =>
      expect(() => scanText(text)).to.throw(ProtocolError, 'must begin with'));
  }

  it('refuses a frame that is too long, before it is complete', () => {
    expect(scan([Buffer.from(`{"a":"${'x'.repeat(90)}"}`)], 100)).to.have.length(1);
    expect(() => scan([Buffer.from(`{"a":"${'x'.repeat(95)}"}`)], 100)).to.throw(
      ProtocolError,
      'at most 100 bytes',
    );
    const endless = Array.from({ length: 11 }, () => Buffer.from('{"a":[[['));
    expect(() => scan(endless, 80)).to.throw(ProtocolError, 'at most 80 bytes');
  });

  it('finds random messages wherever the stream is cut', () =>
    withSeed(random => {
      for (let round = 0; round < 300; round++) {
        const messages = Array.from({ length: 1 + random(6) }, () =>
          JSON.stringify({ m: randomJson(random, 4) }),
        );
        const stream = Buffer.from(messages.join(random(2) === 0 ? '' : ' \n'));
        const chunks: Buffer[] = [];
        for (let at = 0; at < stream.length; ) {
          const length = 1 + random(random(3) === 0 ? 3 : 200);
          chunks.push(stream.subarray(at, at + length));
          at += length;
        }
        expect(scan(chunks)).to.deep.equal(messages);
      }
    }));

  it('takes any bytes without another error than its own, and without growing', () =>
    withSeed(random => {
      for (let round = 0; round < 2_000; round++) {
        const scanner = new FrameScanner(4_096);
        try {
          for (let part = 0; part < 8; part++) {
            const bytes = Buffer.from(`{"x":${JSON.stringify(randomJson(random, 2))}}`);
            for (let i = random(4); i > 0; i--) bytes[random(bytes.length)] = random(256);
            for (const frame of scanner.push(bytes)) expect(frame.length).to.be.at.most(4_096);
          }
        } catch (error) {
          expect(error).to.be.instanceOf(ProtocolError);
        }
      }
    }));
});
