import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { buildPackage } from './build-package.ts';
import { formatEndpoint } from './endpoint.ts';
import { startStandalone } from './testing/ovsdb-server.ts';
import { sharedFile } from './testing/programs.ts';

const execute = promisify(execFile);

describe('the package for npm', function () {
  this.timeout(180_000);
  let project: string;

  before(async () => {
    project = await mkdtemp(join(tmpdir(), 'ovsdb-package-'));
    await buildPackage(join(project, 'node_modules/ovsdb-client'));
  });
  after(() => rm(project, { recursive: true, force: true }));

  it('serves a program that has nothing else installed', async () => {
    await using server = await startStandalone({ schema: sharedFile('ovn/ovn-nb.ovsschema') });
    await copyFile(new URL('examples/add-port.ts', import.meta.url), join(project, 'add-port.mts'));
    const { stdout } = await execute(process.execPath, ['add-port.mts', formatEndpoint(server.endpoint)], {
      cwd: project,
    });
    expect(stdout).to.match(/^inserted [0-9a-f-]{36}\n$/);
  });

  it('brings the program that writes types, to be run by its name', async () => {
    await mkdir(join(project, 'bin'));
    await symlink(
      '../node_modules/ovsdb-client/generate-types.js',
      join(project, 'bin/ovsdb-generate-types'),
    );
    const schema = fileURLToPath(new URL('schemas/ovn-nb.ovsschema', import.meta.url));
    const { stdout } = await execute(join(project, 'bin/ovsdb-generate-types'), [schema]);
    expect(stdout)
      .to.contain("import type { Uuid } from 'ovsdb-client';")
      .and.to.contain('LogicalSwitchPort');
  });
});
