import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');

/** The test files that a name in the table may mean. */
function textOf(file: string): string {
  const places = [`${file}.test.ts`, `../test/integration/crossdns/${file}.test.ts`];
  const found = places.filter(path => existsSync(new URL(path, import.meta.url)));
  expect(found, `files of "${file}"`).not.to.be.empty;
  return found.map(read).join('\n');
}

describe('the README', () => {
  const readme = read('README.md');

  it('names a test that there is for each behaviour of its table of RFCs', () => {
    const table =
      /\| behaviour \| section \| test \|\n\|---\|---\|---\|\n((?:\|.*\n)+)/.exec(readme)?.[1] ?? '';
    const rows = table.trim().split('\n');
    expect(rows.length).to.be.greaterThan(25);
    for (const row of rows) {
      const [, behaviour = '', section = '', tests = ''] = row.split(/(?<!\\)\|/).map(cell => cell.trim());
      expect(section, behaviour).to.match(/^(RFC \d+|KEP-1645)/);
      const named = [...tests.matchAll(/(\w+): ((?:"[^"]+"(?:, | – )?)+)/g)];
      expect(named, behaviour).not.to.be.empty;
      for (const [, file = '', titles = ''] of named) {
        for (const [, title = ''] of titles.matchAll(/"([^"]+)"/g)) {
          expect(textOf(file), `${file}: ${title}`).to.contain(title.replace(/…$/, ''));
        }
      }
    }
  });

  it('names all files of the folder', () => {
    const files = readdirSync(new URL('.', import.meta.url)).filter(name => /^[a-z]+\.ts$/.test(name));
    expect(files).to.include('main.ts');
    expect(files.filter(name => !readme.includes(`\`${name}\``))).to.eql([]);
  });
});
