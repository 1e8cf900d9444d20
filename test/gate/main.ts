/**
 * The one gate: `npm test`. Runs every check and test and ends with the line `N passed, N failed`.
 * `npm test -- unit types` runs only the steps named.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readSuiteResult, resultVariable, type SuiteResult } from './result.ts';
import { type Step, steps } from './steps.ts';

const { positionals } = parseArgs({ allowPositionals: true });
const chosen = chooseSteps(positionals);
const scratch = await mkdtemp(join(tmpdir(), 'nauti-gate-'));
const outcomes: { step: Step; result: SuiteResult; seconds: number }[] = [];
try {
  for (const step of chosen) {
    process.stdout.write(`\n━━ ${step.name}\n`);
    const begin = performance.now();
    const result = await runStep(step);
    const seconds = (performance.now() - begin) / 1000;
    outcomes.push({ step, result, seconds });
    // Nothing after a failed preparation could say anything true.
    if (step.kind === 'prepare' && result.failed > 0) break;
  }
} finally {
  await rm(scratch, { recursive: true, force: true });
}
process.exitCode = report();

function chooseSteps(names: readonly string[]): readonly Step[] {
  const unknown = names.find(name => !steps.some(step => step.name === name));
  if (unknown !== undefined) {
    process.stderr.write(
      `Cannot run the step as its name must be one of ${steps.map(step => JSON.stringify(step.name)).join(', ')}: current value is ${JSON.stringify(unknown)}\n`,
    );
    process.exit(2);
  }
  return names.length === 0 ? steps : steps.filter(step => names.includes(step.name));
}

async function runStep(step: Step): Promise<SuiteResult> {
  if (step.kind !== 'tests') {
    const limitMs = step.kind === 'prepare' ? 2_400_000 : (step.timeoutMs ?? 300_000);
    const failed = (await run(step.command, limitMs)) === 0 ? 0 : 1;
    const passed = step.kind === 'check' && failed === 0 ? 1 : 0;
    return { passed, failed, failures: failed === 0 ? [] : [step.name] };
  }
  const path = join(scratch, `${step.name.replaceAll(' ', '-')}.json`);
  const code = await run(['mocha', '--reporter', './test/gate/reporter.ts', ...step.files], step.timeoutMs, {
    [resultVariable]: path,
  });
  const result = readSuiteResult(await readFile(path, 'utf8').catch(() => ''));
  if (result === undefined) {
    return { passed: 0, failed: 1, failures: [`${step.name}: ended with ${code} before it could report`] };
  }
  if (code !== 0 && result.failed === 0) {
    return {
      ...result,
      failed: 1,
      failures: [`${step.name}: all tests passed, but the process ended with ${code}`],
    };
  }
  return result;
}

/** @returns the exit code; 124 where the time was up. */
function run(
  command: readonly string[],
  timeoutMs: number,
  variables: Record<string, string> = {},
): Promise<number> {
  const [program = '', ...rest] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...variables },
    });
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      process.stdout.write(`did not end within ${timeoutMs / 1000} s\n`);
      child.kill('SIGKILL');
    }, timeoutMs);
    child.on('error', reject);
    child.on('exit', code => {
      clearTimeout(timer);
      resolve(late ? 124 : (code ?? 1));
    });
  });
}

function report(): number {
  const write = (line: string) => process.stdout.write(`${line}\n`);
  write('\n━━ summary');
  for (const { step, result, seconds } of outcomes) {
    const counts =
      step.kind === 'tests'
        ? `${result.passed} passed, ${result.failed} failed`
        : result.failed === 0
          ? 'ok'
          : 'failed';
    write(`${step.name.padEnd(18)} ${seconds.toFixed(1).padStart(7)} s   ${counts}`);
    for (const failure of result.failures) write(`    ✗ ${failure}`);
  }
  const passed = outcomes.reduce((sum, { result }) => sum + result.passed, 0);
  const failed = outcomes.reduce((sum, { result }) => sum + result.failed, 0);
  write('');
  write(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}
