// Runs a TypeScript program of the project on a fresh clone: installs the npm packages where they are missing or old,
// then hands over to the Node that came with them. Plain JavaScript, so that the machine's own Node 20 can start it.
// Usage: node bin/bootstrap.js <program.ts> [arguments]
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const node = `${root}node_modules/node/bin/node`;
const installed = `${root}node_modules/.package-lock.json`;

if (!existsSync(node) || !existsSync(installed) || isNewer(`${root}package-lock.json`, installed)) {
  process.stderr.write('Installing npm packages …\n');
  const install = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (install.status !== 0 || !existsSync(node)) {
    process.stderr.write('Cannot go on as "npm ci" must succeed: see its output above.\n');
    process.exit(1);
  }
}

const [program, ...rest] = process.argv.slice(2);
const child = spawn(node, [`${root}${program}`, ...rest], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, PATH: `${root}node_modules/node/bin:${root}node_modules/.bin:${process.env.PATH}` },
});
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal ?? 'SIGKILL']));

function isNewer(a, b) {
  return statSync(a).mtimeMs > statSync(b).mtimeMs + 60_000;
}
