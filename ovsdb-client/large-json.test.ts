import { expect } from 'chai';
import { ProtocolError } from './errors.ts';
import { parseLargeJson } from './large-json.ts';
import { randomJson, withSeed } from './testing/random.ts';

/** Compares as JSON: objects that were taken apart have no prototype. */
async function parsed(text: string): Promise<string> {
  return JSON.stringify(await parseLargeJson(Buffer.from(text)));
}

describe('large JSON', () => {
  it('reads what JSON.parse reads', () =>
    withSeed(async random => {
      for (let round = 0; round < 200; round++) {
        const text = JSON.stringify(randomJson(random, 5), null, random(2));
        expect(await parsed(text)).to.equal(JSON.stringify(JSON.parse(text)));
      }
    }));

  it('reads what is larger than a piece at every level', () =>
    withSeed(async random => {
      const filler = () =>
        Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`k${i}`, randomJson(random, 4)]));
      const rows = Object.fromEntries(
        Array.from({ length: 100 }, (_, i) => [`row${i}`, { initial: filler() }]),
      );
      const value = {
        id: 1,
        result: [true, 'x'.repeat(200_000), { table: rows, ['y'.repeat(100_000)]: [] }],
        e: null,
      };
      for (const indent of [0, 1]) {
        const text = JSON.stringify(value, null, indent);
        expect(text.length).to.be.greaterThan(1_000_000);
        expect(await parsed(text)).to.equal(JSON.stringify(value));
      }
    }));

  it('gives the event loop its turns', async () => {
    const rows = Array.from({ length: 60_000 }, (_, i) => [
      `row-${i}`,
      { name: `port-${i}`, addresses: ['set', []] },
    ]);
    const bytes = Buffer.from(JSON.stringify({ result: Object.fromEntries(rows) }));
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await parseLargeJson(bytes);
    clearInterval(timer);
    expect(turns).to.be.greaterThan(2);
  });

  it('does not let a key become a prototype', async () => {
    const text = `{"__proto__":{"polluted":true},"x":"${'x'.repeat(100_000)}"}`;
    const value = (await parseLargeJson(Buffer.from(text))) as Record<string, unknown>;
    expect(value.polluted).to.equal(undefined);
    expect(Object.keys(value)).to.deep.equal(['__proto__', 'x']);
  });

  const long = `"${'x'.repeat(70_000)}"`;
  for (const text of [
    '[',
    '{',
    `[${long}`,
    `[${long},]`,
    `[${long} 1]`,
    `{${long}}`,
    `{${long}:1,}`,
    `{"a":${long}]`,
  ]) {
    it(`refuses ${text.replace(long, '"x…"')}`, () => refused(text));
  }
  for (const text of [
    `[${long}]]`,
    `{1:${long}}`,
    `{"a" ${long}}`,
    `[,${long}]`,
    long.slice(1),
    `[tru,${long}]`,
  ]) {
    it(`refuses ${text.replace(long, '"x…"').slice(0, 30)}`, () => refused(text));
  }

  it('refuses nesting without end', () => refused('['.repeat(3_000_000)));

  it('takes any bytes without another error than its own', () =>
    withSeed(async random => {
      const good = Buffer.from(
        JSON.stringify({ a: [randomJson(random, 4), 'z'.repeat(70_000)], b: { c: 'y'.repeat(70_000) } }),
      );
      for (let round = 0; round < 500; round++) {
        const bytes = Buffer.from(good);
        for (let i = 1 + random(3); i > 0; i--)
          bytes[random(random(2) === 0 ? 200 : bytes.length)] = random(256);
        let expected: string | undefined;
        try {
          expected = JSON.stringify(JSON.parse(bytes.toString('utf8')));
        } catch {}
        const result = await parseLargeJson(bytes).then(
          value => JSON.stringify(value),
          error => {
            expect(error).to.be.instanceOf(ProtocolError);
            return undefined;
          },
        );
        expect(result).to.equal(expected);
      }
    }));
});

async function refused(text: string): Promise<void> {
  const error = await parseLargeJson(Buffer.from(text)).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(ProtocolError);
}
