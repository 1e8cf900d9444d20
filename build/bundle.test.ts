import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { components } from '../cli/components.ts';
import { bundle } from './bundle.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

describe('the bundle', function () {
  this.timeout(60_000);
  let directory = '';
  let program = '';
  const children: ChildProcess[] = [];

  before(async () => {
    // Out of reach of the checkout's node_modules, as in the image.
    directory = await mkdtemp(join(tmpdir(), 'nauti-bundle-'));
    await bundle(directory);
    program = join(directory, 'nauti.js');
  });

  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  });

  function start(
    command: string,
    ...args: string[]
  ): { child: ChildProcess; printed: (text: string) => Promise<string> } {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    let output = '';
    const printed = (text: string) =>
      new Promise<string>((resolve, reject) => {
        const look = () => output.includes(text) && resolve(output);
        const add = (data: Buffer) => {
          output += data;
          look();
        };
        child.stdout.on('data', add);
        child.stderr.on('data', add);
        child.once('exit', code =>
          reject(new Error(`ended with ${code} before it printed ${text}: ${output}`)),
        );
        look();
      });
    return { child, printed };
  }

  for (const name of Object.keys(components)) {
    it(`has ${name}, and all that it loads at its start`, () => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [program, name, '--help'], {
        encoding: 'utf8',
      });
      expect(stderr).to.equal('');
      expect(status).to.equal(0);
      expect(stdout).to.match(new RegExp(`^Usage: nauti ${name}`));
    });
  }

  const crossdns = ['crossdns', '--source', join(root, 'crossdns', 'examples'), '--cluster-id', 'cluster1'];

  it('runs a component, with its metrics, until it is told to end', async () => {
    const { child, printed } = start(
      process.execPath,
      ...[program, ...crossdns, '--listen', '127.0.0.1:0', '--http-listen', '127.0.0.1:0'],
    );
    const output = await printed('"msg":"all sources read, answering"');
    // koffi's library is in the bundle.
    expect(output).to.not.contain('no batches of datagrams');
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    expect(code).to.equal(0);
  });

  it('loads no fetch and no WebSocket, which come with an import of node:http', async () => {
    const look = join(directory, 'look.js');
    const loaded = 'process.moduleLoadList.filter(name => /undici|http_server/.test(name)).join()';
    await writeFile(
      look,
      `process.on('exit', () => console.log(${loaded})); await import(${JSON.stringify(program)});`,
    );
    const { stdout } = spawnSync(process.execPath, [look, 'nri', '--help'], { encoding: 'utf8' });
    expect(stdout.trim().split('\n').at(-1)).to.equal('NativeModule _http_server');
  });

  it('reads a kubeconfig, which loads client-node late', async () => {
    const kubeconfig = join(directory, 'kubeconfig');
    const { status, stderr } = spawnSync(
      process.execPath,
      [
        program,
        'crossdns',
        '--cluster-id',
        'cluster1',
        '--listen',
        '127.0.0.1:0',
        '--kubeconfig',
        kubeconfig,
      ],
      { encoding: 'utf8' },
    );
    expect(status).to.equal(1);
    expect(stderr).to.contain(kubeconfig).and.not.to.contain('TypeError');
  });

  it('writes its log for people on a terminal', async () => {
    const command = [process.execPath, program, ...crossdns, '--listen', '127.0.0.1:0'].join(' ');
    // script(1) gives the program a terminal.
    const { printed } = start('script', '--quiet', '--return', '--command', `exec ${command}`, '/dev/null');
    const output = await printed('all sources read, answering');
    expect(output).to.contain('INFO').and.not.to.contain('"level":30');
  });

  it('loads nothing of client-node and of any component before it is asked to', async () => {
    const seen = new Set<string>();
    const visit = async (name: string): Promise<void> => {
      if (seen.has(name)) return;
      seen.add(name);
      const text = await readFile(join(directory, name), 'utf8');
      for (const [, next] of text.matchAll(/^(?:import|export|\}).*["']\.\/([^"']+)["'];$/gm))
        await visit(next ?? '');
    };
    await visit('nauti.js');
    expect(seen.size).to.be.greaterThan(1);
    const texts = await Promise.all([...seen].map(name => readFile(join(directory, name), 'utf8')));
    const sources = [...texts.join('\n').matchAll(/^\/\/ ((?:[a-z-]+\/)*[\w.@-]+\.(?:ts|js))$/gm)].map(
      match => match[1] ?? '',
    );
    expect(sources).to.include('cli/nauti.ts');
    expect(sources.filter(source => /client-node|^(crossdns|syncer|hub)\//.test(source))).to.deep.equal([]);
  });
});
