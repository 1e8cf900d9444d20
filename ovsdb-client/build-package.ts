/**
 * Makes the package as npm takes it: `node build-package.ts DIRECTORY`, then `npm publish DIRECTORY`. Node runs no
 * TypeScript that lies under node_modules, so that it has JavaScript and declarations.
 */
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const here = fileURLToPath(new URL('.', import.meta.url));

interface Manifest {
  readonly exports: Readonly<Record<string, string>>;
  readonly scripts?: unknown;
}

/** @param directory is made where it does not exist; its files are overwritten. */
export async function buildPackage(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await execute('tsc', ['-p', join(here, 'tsconfig.package.json'), '--outDir', directory]);
  const { scripts: _, ...manifest } = JSON.parse(
    await readFile(join(here, 'package.json'), 'utf8'),
  ) as Manifest;
  const exports = Object.fromEntries(
    Object.entries(manifest.exports).map(([name, source]) => [
      name,
      { types: source.replace(/\.ts$/, '.d.ts'), default: source.replace(/\.ts$/, '.js') },
    ]),
  );
  const published = { ...manifest, exports, bin: { 'ovsdb-generate-types': './generate-types.js' } };
  await writeFile(join(directory, 'package.json'), `${JSON.stringify(published, undefined, 2)}\n`);
  await chmod(join(directory, 'generate-types.js'), 0o755);
  await copyFile(join(here, 'README.md'), join(directory, 'README.md'));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [directory] = process.argv.slice(2);
  if (directory === undefined) {
    process.stderr.write('usage: node build-package.ts DIRECTORY\n');
    process.exit(2);
  }
  await buildPackage(directory);
}
