/**
 * The one gate: `npm test`. Runs every check and test and ends with the line `N passed, N failed`.
 * `npm test -- unit types` runs only the steps named.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readSuiteResult, resultVariable, type SuiteResult } from './result.ts';
import { type Lane, type Step, stages } from './steps.ts';

/** Of the message of a failure, in the summary. */
const [shownLines, shownWidth] = [40, 260];

const { positionals } = parseArgs({ allowPositionals: true });
const chosen = chooseStages(positionals);
const scratch = await mkdtemp(join(tmpdir(), 'nauti-gate-'));
/** Where Node keeps what it has made of sources: the programs of the project, which tests start by the hundred, start in a third of the time. */
const compiled = join(scratch, 'compiled');
const outcomes: { step: Step; result: SuiteResult; seconds: number }[] = [];
try {
  for (const lanes of chosen) {
    const isBeside = lanes.length > 1;
    if (isBeside) {
      const names = lanes.map(lane => lane.map(({ name }) => name).join(', then '));
      process.stdout.write(`\n… at once, each shown when it ends: ${names.join('; ')}\n`);
    }
    await Promise.all(lanes.map(lane => takeInTurn(lane, isBeside)));
    // Nothing after a failed preparation could say anything true.
    if (outcomes.some(({ step, result }) => step.kind === 'prepare' && result.failed > 0)) break;
  }
} finally {
  await rm(scratch, { recursive: true, force: true });
}
process.exitCode = report();

/** All stages, or what there is in them of the steps of these names. */
function chooseStages(names: readonly string[]): readonly (readonly Lane[])[] {
  const known = stages.flat(2).map(step => step.name);
  const unknown = names.find(name => !known.includes(name));
  if (unknown !== undefined) {
    process.stderr.write(
      `Cannot run the step as its name must be one of ${known.map(name => JSON.stringify(name)).join(', ')}: current value is ${JSON.stringify(unknown)}\n`,
    );
    process.exit(2);
  }
  if (names.length === 0) return stages;
  return stages.map(lanes =>
    lanes.map(lane => lane.filter(step => names.includes(step.name))).filter(lane => lane.length > 0),
  );
}

/** The steps of a lane; none after a preparation that failed. */
async function takeInTurn(lane: Lane, beside: boolean): Promise<void> {
  for (const step of lane) {
    const { failed } = await take(step, beside);
    if (step.kind === 'prepare' && failed > 0) return;
  }
}

/** @param beside others run: what it prints is shown when it has ended. */
async function take(step: Step, beside: boolean): Promise<SuiteResult> {
  const missing = lacking(step);
  if (missing !== undefined) {
    outcomes.push({ step, result: missing, seconds: 0 });
    return missing;
  }
  const log = beside ? join(scratch, `${step.name}.log`) : undefined;
  if (log === undefined) process.stdout.write(`\n━━ ${step.name}\n`);
  const begin = performance.now();
  const result = await runStep(step, log);
  const seconds = (performance.now() - begin) / 1000;
  outcomes.push({ step, result, seconds });
  if (log !== undefined) process.stdout.write(`\n━━ ${step.name}\n${await readFile(log, 'utf8')}`);
  return result;
}

/** The result of a step that is not run, as what it needs has failed. */
function lacking(step: Step): SuiteResult | undefined {
  if (step.kind !== 'tests' || step.needs === undefined) return undefined;
  const hasFailed = outcomes.some(one => one.step.name === step.needs && one.result.failed > 0);
  if (!hasFailed) return undefined;
  const message = `not run, as it needs the step ${JSON.stringify(step.needs)}, which has failed`;
  return { passed: 0, failed: 1, failures: [{ title: step.name, message }] };
}

/** @param log file for what it prints; where there is none it prints. */
async function runStep(step: Step, log?: string): Promise<SuiteResult> {
  if (step.kind !== 'tests') {
    const limitMs = step.kind === 'prepare' ? 2_400_000 : (step.timeoutMs ?? 300_000);
    const failed = (await run(step.command, limitMs, log)) === 0 ? 0 : 1;
    const passed = step.kind === 'check' && failed === 0 ? 1 : 0;
    return { passed, failed, failures: [] };
  }
  const path = join(scratch, `${step.name.replaceAll(' ', '-')}.json`);
  const hooks = (step.hooks ?? []).flatMap(file => ['--require', file]);
  const command = ['mocha', '--reporter', './test/gate/reporter.ts', ...hooks, ...step.files];
  const code = await run(command, step.timeoutMs, log, { [resultVariable]: path });
  const result = readSuiteResult(await readFile(path, 'utf8').catch(() => ''));
  if (result === undefined) {
    const message = `ended with ${code} before it could report`;
    return { passed: 0, failed: 1, failures: [{ title: step.name, message }] };
  }
  if (code !== 0 && result.failed === 0) {
    return {
      ...result,
      failed: 1,
      failures: [{ title: step.name, message: `all tests passed, but the process ended with ${code}` }],
    };
  }
  return result;
}

/** @returns the exit code; 124 where the time was up. */
async function run(
  command: readonly string[],
  timeoutMs: number,
  log: string | undefined,
  variables: Record<string, string> = {},
): Promise<number> {
  await using file = log === undefined ? undefined : await open(log, 'w');
  const [program = '', ...rest] = command;
  const out = file?.fd ?? 'inherit';
  return await new Promise((resolve, reject) => {
    const child = spawn(program, rest, {
      stdio: ['ignore', out, out],
      env: { ...process.env, NODE_COMPILE_CACHE: compiled, ...variables },
    });
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      process.stdout.write(`${program} did not end within ${timeoutMs / 1000} s\n`);
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
    for (const { title, message } of result.failures) {
      write(`    ✗ ${title}`);
      for (const line of message.split('\n').slice(0, shownLines))
        write(`      ${line.slice(0, shownWidth)}`);
    }
  }
  const passed = outcomes.reduce((sum, { result }) => sum + result.passed, 0);
  const failed = outcomes.reduce((sum, { result }) => sum + result.failed, 0);
  write('');
  write(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}
