import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { findViolations, importsOf } from './import-direction.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('import direction', () => {
  it('holds in the whole project', () => {
    const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.ts'], {
      cwd: root,
      encoding: 'utf8',
    });
    const paths = listed.split('\n').filter(path => path !== '' && existsSync(join(root, path)));
    expect(paths).to.include('process/component.ts');
    const files = paths.map(path => ({ path, text: readFileSync(join(root, path), 'utf8') }));
    expect(findViolations(files)).to.deep.equal([]);
  });

  const planted: readonly [what: string, path: string, text: string][] = [
    ['a component that imports another', 'syncer/a.ts', "import { x } from '../crossdns/zone.ts';"],
    [
      'one that imports another for its types',
      'syncer/a.ts',
      "import type { X } from '../crossdns/zone.ts';",
    ],
    ['the machinery importing a component', 'kube/a.ts', "export { x } from '../hub/main.ts';"],
    ['a dynamic import upwards', 'api/a.ts', "const x = await import('../kube/client.ts');"],
    ['a component that imports the lab', 'nri/deep/a.ts', "import '../../lab/main.ts';"],
    ['several lines', 'ipam/a.ts', "import {\n  a,\n  b,\n} from '../kube/cache.ts';"],
    ['the package below the machinery', 'ovsdb-client/a.ts', "import { x } from '../api/meta.ts';"],
    ['a folder without a layer', 'utils/a.ts', "import { x } from '../api/meta.ts';"],
    [
      'the models of the client library',
      'syncer/a.ts',
      "import { KubeConfig } from '@kubernetes/client-node';",
    ],
  ];
  for (const [what, path, text] of planted) {
    it(`finds ${what}`, () => {
      expect(findViolations([{ path, text }])).to.have.length(1);
    });
  }

  const legal: readonly [what: string, path: string, text: string][] = [
    ['a component on the machinery', 'syncer/a.ts', "import { x } from '../kube/cache.ts';"],
    ['its own files', 'syncer/deep/a.ts', "import { x } from '../plan.ts';"],
    ['types of the client library', 'kube/a.ts', "import type { V1Pod } from '@kubernetes/client-node';"],
    [
      'the client library late',
      'kube/a.ts',
      "const { KubeConfig } = await import('@kubernetes/client-node');",
    ],
    ['the OVSDB package', 'nri/a.ts', "import { OvsdbClient } from 'ovsdb-client';"],
    ['anything from a test', 'test/e2e/a.ts', "import { x } from '../../crossdns/zone.ts';"],
  ];
  for (const [what, path, text] of legal) {
    it(`lets pass ${what}`, () => {
      expect(findViolations([{ path, text }])).to.deep.equal([]);
    });
  }

  it('reads no import from a sentence in a text', () => {
    expect(importsOf('const help = \'import it from "x"\';')).to.deep.equal([]);
  });
});
