#!/usr/bin/env node
// Starts the CLI. In a clone it runs the TypeScript as it is, which Node 22.18 and later can;
// an older Node of the machine hands over to the one that npm installed with the project.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('../cli/nauti.ts', import.meta.url));
const own = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));
const major = Number(process.versions.node.split('.')[0]);

if (major >= 24) {
  await import(cli);
} else if (existsSync(own)) {
  const child = spawn(own, [cli, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal ?? 'SIGKILL']));
} else {
  process.stderr.write(
    `Cannot run nauti as Node must be 24 or later: current version is ${process.versions.node}. Run "npm ci" first.\n`,
  );
  process.exitCode = 1;
}
