import { glob } from 'node:fs/promises';
import { matchesGlob } from 'node:path';
import { expect } from 'chai';
import { steps } from './steps.ts';

describe('steps of the gate', () => {
  it('run each test once', async () => {
    const suites = steps.flat().flatMap(step => (step.kind === 'tests' ? [step] : []));
    const files: string[] = [];
    const exclude = ['**/node_modules/**', '.lab/**', 'dist/**'];
    for await (const file of glob('**/*.test.ts', { exclude })) files.push(file);
    expect(files).to.have.length.greaterThan(100);
    const runs = files.map(file => ({
      file,
      steps: suites
        .filter(suite => suite.files.some(pattern => matchesGlob(file, pattern)))
        .map(suite => suite.name),
    }));
    expect(runs.filter(({ steps }) => steps.length !== 1)).to.deep.equal([]);
  });
});
