import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { run, tryRun } from '../../../lab/command.ts';
import { type ControlPlane, startControlPlane } from '../../../lab/control-plane.ts';
import { checkout, toolPath } from '../../../lab/tools.ts';
import { until } from '../../../lab/until.ts';

describe('control plane for tests', function () {
  this.timeout(180_000);
  let directory: string;
  const started: ControlPlane[] = [];
  let child: ChildProcess | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nauti-control-plane-'));
  });
  afterEach(async () => {
    await Promise.all(started.splice(0).map(plane => plane.stop()));
    child?.kill('SIGKILL');
    await rm(directory, { recursive: true });
  });

  async function start(name: string, controllerManager = false): Promise<ControlPlane> {
    const plane = await startControlPlane({ directory: join(directory, name), controllerManager });
    started.push(plane);
    return plane;
  }

  const kubectl = (plane: ControlPlane, ...args: string[]) =>
    run(toolPath('kubectl'), ['--kubeconfig', plane.kubeconfig, ...args]);

  /** Command lines of the processes that work in this test's directory. */
  async function processes(): Promise<string[]> {
    const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name));
    const lines = await Promise.all(
      pids.map(pid => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
    );
    return lines.filter(line => line.includes(`${directory}/`) && !line.includes('startControlPlane'));
  }

  it('runs several at once, each with objects of its own, and leaves no process', async () => {
    const [one, two] = await Promise.all([start('one'), start('two')]);
    expect(one.server).not.to.equal(two.server);
    expect(one.ca).to.contain('BEGIN CERTIFICATE');
    await kubectl(one, 'create', 'namespace', 'only-here');
    expect(await kubectl(one, 'get', 'namespaces', '-o', 'name')).to.contain('only-here');
    expect(await kubectl(two, 'get', 'namespaces', '-o', 'name')).not.to.contain('only-here');
    await one.stop();
    expect(
      (await tryRun(toolPath('kubectl'), ['--kubeconfig', one.kubeconfig, 'get', 'namespaces'])).code,
    ).to.equal(1);
    await two.stop();
    expect(await processes()).to.eql([]);
  });

  it('takes pods without a controller manager, and makes accounts and ends namespaces with one', async () => {
    const [plain, full] = await Promise.all([start('plain'), start('full', true)]);
    await kubectl(plain, 'run', 'pod', '--image=none');
    await until(() => kubectl(full, 'get', 'serviceaccount', 'default').catch(() => false), {
      what: 'the default ServiceAccount',
      timeout: 60_000,
    });
    await kubectl(full, 'create', 'namespace', 'short');
    await kubectl(full, 'delete', 'namespace', 'short', '--timeout=120s');
    expect(await kubectl(full, 'get', 'namespaces', '-o', 'name')).not.to.contain('short');
  });

  it('comes back with its data, under the same URL, after its API server was killed', async () => {
    const plane = await start('one');
    await kubectl(plane, 'create', 'namespace', 'kept');
    await plane.killApiServer();
    const refused = await tryRun(toolPath('kubectl'), [
      '--kubeconfig',
      plane.kubeconfig,
      'get',
      'namespaces',
    ]);
    expect(refused.stderr).to.contain('refused');
    await plane.startApiServer();
    expect(await kubectl(plane, 'get', 'namespaces', '-o', 'name')).to.contain('kept');
  });

  it('ends with the signal that it was given', async () => {
    const abort = new AbortController();
    await startControlPlane({ directory: join(directory, 'one'), signal: abort.signal });
    expect(await processes()).to.have.length(2);
    abort.abort();
    await until(async () => (await processes()).length === 0, {
      what: 'the end of all processes',
      timeout: 60_000,
    });
  });

  it('ends with the process that started it, also where that is killed', async () => {
    const program = `import { startControlPlane } from ${JSON.stringify(join(checkout, 'lab/control-plane.ts'))};
      await startControlPlane({ directory: ${JSON.stringify(join(directory, 'one'))}, controllerManager: true });
      process.stdout.write('ready'); setInterval(() => {}, 1000);`;
    child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const { stdout } = child;
    await new Promise(resolve => stdout?.once('data', resolve));
    expect(await processes()).to.have.length(3);
    child.kill('SIGKILL');
    await until(async () => (await processes()).length === 0, {
      what: 'the end of all processes',
      timeout: 60_000,
    });
  });

  it('says what failed and shows the log where a program cannot start', async () => {
    // Where etcd wants its data there is a file.
    await run('mkdir', ['-p', join(directory, 'one')]);
    await run('touch', [join(directory, 'one', 'etcd')]);
    const message = await start('one').then(
      () => '',
      error => String(error.message),
    );
    expect(message).to.contain(`its log is ${join(directory, 'one', 'etcd.log')}`);
    expect(message).to.contain('not a directory');
    expect(await processes()).to.eql([]);
  });
});
