/** Starts programs that outlive the command that started them, in a cgroup and a network namespace of the lab. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createCgroup, processesIn } from './cgroups.ts';
import { lastLines } from './command.ts';
import type { Program } from './control-plane-plan.ts';
import { namespacePath } from './network.ts';
import { until } from './until.ts';

export interface Daemon extends Program {
  /** Below the lab's cgroup, and of no other program: what is in there is this program. */
  readonly cgroup: string;
  readonly namespace: string;
  readonly logFile: string;
}

export async function isRunning({ cgroup }: Pick<Daemon, 'cgroup'>): Promise<boolean> {
  return (await processesIn(cgroup)).length > 0;
}

// Joins the cgroups given before the program itself begins, so that none of its children can be outside of them.
const joinThenRun = 'while [ "$1" != -- ]; do echo $$ > "$1"; shift; done; shift; exec "$@"';

/** Starts a program unless it runs already. It does not wait until the program is of use, or find out that it fails. */
export async function startDaemon(daemon: Daemon): Promise<void> {
  if (await isRunning(daemon)) return;
  const memberships = await createCgroup(daemon.cgroup);
  await mkdir(dirname(daemon.logFile), { recursive: true });
  const log = openSync(daemon.logFile, 'a');
  try {
    const child = spawn(
      'sh',
      [
        ...['-euc', joinThenRun, 'sh', ...memberships, '--'],
        ...['nsenter', `--net=${namespacePath(daemon.namespace)}`, daemon.command, ...daemon.args],
      ],
      { stdio: ['ignore', log, log], cwd: '/', detached: true },
    );
    let ended = false;
    child.once('error', () => {
      ended = true;
    });
    child.once('exit', () => {
      ended = true;
    });
    await until(() => ended || isRunning(daemon), {
      what: `${daemon.name} starting`,
      timeout: 10_000,
      interval: 5,
    });
    child.unref();
  } finally {
    closeSync(log);
  }
}

/** What to tell of a program that did not do what it should: where its log is, and how that ends. */
export async function describeLog({ name, logFile }: Pick<Daemon, 'name' | 'logFile'>): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '');
  return `the log of ${name} is ${logFile}, its end:\n${lastLines(text)}`;
}
