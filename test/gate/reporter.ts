import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';
import { resultVariable, type SuiteResult } from './result.ts';

/** Mocha's `spec` output, and the counts in a file so that the gate can add up several suites. */
export default class GateReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options);
    const failures: string[] = [];
    runner.on('fail', test => failures.push(test.fullTitle()));
    runner.on('end', () => {
      const path = process.env[resultVariable];
      const result: SuiteResult = { passed: runner.stats?.passes ?? 0, failed: failures.length, failures };
      if (path !== undefined) writeFileSync(path, JSON.stringify(result));
    });
  }
}
