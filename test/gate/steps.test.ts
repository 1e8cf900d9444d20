import { glob } from 'node:fs/promises';
import { matchesGlob } from 'node:path';
import { expect } from 'chai';
import { stages } from './steps.ts';

const all = stages.flat(2);
const suites = all.flatMap(step => (step.kind === 'tests' ? [step] : []));

async function testFiles(): Promise<string[]> {
  const files: string[] = [];
  const exclude = ['**/node_modules/**', '.lab/**', 'dist/**'];
  for await (const file of glob('**/*.test.ts', { exclude })) files.push(file);
  return files;
}

describe('steps of the gate', () => {
  it('run each test once', async () => {
    const files = await testFiles();
    expect(files).to.have.length.greaterThan(100);
    const runs = files.map(file => ({
      file,
      steps: suites
        .filter(suite => suite.files.some(pattern => matchesGlob(file, pattern)))
        .map(suite => suite.name),
    }));
    expect(runs.filter(({ steps }) => steps.length !== 1)).to.deep.equal([]);
  });

  it('need nothing but what runs before them', () => {
    for (const [index, step] of all.entries()) {
      if (step.kind !== 'tests' || step.needs === undefined) continue;
      const before = all.slice(0, index).map(({ name }) => name);
      expect(before, step.name).to.include(step.needs);
    }
    expect(suites.filter(({ needs }) => needs !== undefined)).to.not.deep.equal([]);
  });

  it('have something to run each, and a name of their own', async () => {
    const files = await testFiles();
    const patterns = suites.flatMap(suite => suite.files);
    expect(patterns.filter(pattern => !files.some(file => matchesGlob(file, pattern)))).to.deep.equal([]);
    expect(new Set(all.map(({ name }) => name))).to.have.property('size', all.length);
  });
});
