// Starts a program of the CLI. In a clone it runs the TypeScript as it is, which Node 22.18 and later can;
// an older Node of the machine hands over to the one that npm installed with the project.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const own = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));
const major = Number(process.versions.node.split('.')[0]);

/** @param {string} program path from the root of the project */
export async function launch(program) {
  const path = fileURLToPath(new URL(`../${program}`, import.meta.url));
  if (major >= 24) {
    await import(path);
  } else if (existsSync(own)) {
    const child = spawn(own, [path, ...process.argv.slice(2)], { stdio: 'inherit' });
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal ?? 'SIGKILL']));
  } else {
    process.stderr.write(
      `Cannot run nauti as Node must be 24 or later: current version is ${process.versions.node}. Run "npm ci" first.\n`,
    );
    process.exitCode = 1;
  }
}
