/** Loaded by mocha before the end-to-end tests: the first failure tells how the clusters were right then. */
import { stateOfClusters } from './state-of-clusters.ts';

let isTold = false;

export const mochaHooks = {
  async afterEach(this: Mocha.Context) {
    const { currentTest } = this;
    if (isTold || currentTest?.state !== 'failed' || currentTest.err === undefined) return;
    isTold = true;
    const state = await stateOfClusters().catch(error => `cannot be told: ${error}`);
    process.stdout.write(`\nThe clusters when it failed:\n${state}\n\n`);
    currentTest.err.message += `\n${state}`;
  },
};
