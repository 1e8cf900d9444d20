import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';
import { type Failure, resultVariable, type SuiteResult } from './result.ts';

/** Mocha's `spec` output, and the counts in a file so that the gate can add up several suites. */
export default class GateReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options);
    const failed: { readonly test: Mocha.Runnable; readonly error: Error }[] = [];
    runner.on('fail', (test, error) => failed.push({ test, error }));
    runner.on('end', () => {
      const path = process.env[resultVariable];
      // At the end only: hooks may have added to the messages.
      const failures = failed.map(
        ({ test, error }): Failure => ({ title: test.fullTitle(), message: error.message ?? String(error) }),
      );
      const result: SuiteResult = { passed: runner.stats?.passes ?? 0, failed: failures.length, failures };
      if (path !== undefined) writeFileSync(path, JSON.stringify(result));
    });
  }
}
