import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { readSuiteResult, resultVariable } from './result.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('gate', () => {
  for (const text of ['', '{', 'null', '{"passed":"1","failed":0,"failures":[]}', '{"passed":1}']) {
    it(`takes ${JSON.stringify(text)} as a suite that died`, () => {
      expect(readSuiteResult(text)).to.equal(undefined);
    });
  }

  it('counts a failing test as failed, and its process ends with an error', function () {
    this.timeout(30_000);
    const directory = mkdtempSync(join(tmpdir(), 'nauti-gate-test-'));
    try {
      const suite = join(directory, 'planted.test.ts');
      writeFileSync(suite, "it('passes', () => {});\nit('fails', () => { throw new Error('planted'); });\n");
      const result = join(directory, 'result.json');
      const run = spawnSync(
        process.execPath,
        ['node_modules/mocha/bin/mocha.js', '--reporter', './test/gate/reporter.ts', suite],
        { cwd: root, env: { ...process.env, [resultVariable]: result } },
      );
      expect(run.status).to.not.equal(0);
      expect(readSuiteResult(readFileSync(result, 'utf8'))).to.deep.equal({
        passed: 1,
        failed: 1,
        failures: [{ title: 'fails', message: 'planted' }],
      });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
