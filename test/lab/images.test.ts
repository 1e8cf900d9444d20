/** Images and commands on a lab that runs, or is brought up; it stays. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { tryRun } from '../../lab/command.ts';
import { buildImage, ensureBaseImage, loadImage } from '../../lab/images.ts';
import { clusters, runInNode } from '../../lab/lab.ts';
import { checkout } from '../../lab/tools.ts';

describe('images on the lab', function () {
  this.timeout(480_000);
  let directory: string;
  const tag = 'localhost/nauti-lab-test:1';

  before(async () => {
    const up = await lab('up');
    expect(up.code, up.stderr).to.equal(0);
    directory = await mkdtemp(join(tmpdir(), 'nauti-images-'));
  });
  after(async () => {
    await lab('kubectl', 'cluster1', 'delete', 'pod', 'image-test', '--ignore-not-found');
    await rm(directory, { recursive: true });
  });

  function lab(...args: string[]) {
    return tryRun(process.execPath, [join(checkout, 'lab', 'main.ts'), ...args]);
  }

  async function build(content: string): Promise<string> {
    await writeFile(join(directory, 'content'), content);
    await writeFile(
      join(directory, 'Dockerfile'),
      'ARG BASE=debian:trixie\nFROM $BASE\nCOPY content /content\nUSER 65532\nENTRYPOINT ["node"]\n',
    );
    const args = { BASE: await ensureBaseImage() };
    return buildImage({ context: directory, dockerfile: join(directory, 'Dockerfile'), tag, args });
  }

  it('builds a Dockerfile on the base image, once for the same content', async () => {
    const one = await build('one');
    expect(await build('one')).to.equal(one);
    expect(await build('two')).not.to.equal(one);
  });

  it('runs what was loaded last, without a registry', async () => {
    for (const content of ['first', 'second']) {
      await loadImage(await build(content), ['cluster1']);
      const script =
        'console.log(require("fs").readFileSync("/content", "utf8"), process.getuid(), process.version)';
      await lab('kubectl', 'cluster1', 'delete', 'pod', 'image-test', '--ignore-not-found');
      const created = await lab(
        ...[
          'kubectl',
          'cluster1',
          'run',
          'image-test',
          `--image=${tag}`,
          '--restart=Never',
          '--',
          '-e',
          script,
        ],
      );
      expect(created.code, created.stderr).to.equal(0);
      const phase = '--for=jsonpath={.status.phase}=Succeeded';
      const waited = await lab('kubectl', 'cluster1', 'wait', phase, 'pod/image-test', '--timeout=60s');
      expect(waited.code, waited.stderr).to.equal(0);
      expect((await lab('kubectl', 'cluster1', 'logs', 'image-test')).stdout).to.match(
        new RegExp(`^${content} 65532 v24\\.`),
      );
    }
  });

  it('loads by the command line, into the clusters named', async () => {
    const archive = await build(`by command, ${process.pid}`);
    const loaded = await lab('load-image', archive, '--cluster', 'hub,cluster2');
    expect(loaded.code, loaded.stderr).to.equal(0);
    expect(loaded.stdout).to.contain('loaded into hub-node1').and.to.contain('loaded into cluster2-node1');
    expect(loaded.stdout).not.to.contain('cluster1');
    expect(await runInNode('hub-node1', ['ctr', '-n', 'k8s.io', 'images', 'ls', '-q'])).to.contain(tag);
    const missing = await lab('load-image', join(directory, 'none.tar'));
    expect(missing.stderr).to.contain('the archive must exist');
  });

  it('has the sample images on every node', async () => {
    for (const { nodes } of await clusters()) {
      for (const { name } of nodes) {
        const images = await runInNode(name, ['ctr', '-n', 'k8s.io', 'images', 'ls', '-q']);
        expect(images)
          .to.contain('docker.io/nauti-lab/nginx:1')
          .and.to.contain('docker.io/nauti-lab/toolbox:1');
      }
    }
  });

  it('has the tools in the toolbox, and what the product needs in the base image', async () => {
    const programs = {
      'nauti-lab/toolbox:1': ['curl', 'dig', 'nslookup', 'nc', 'ping', 'iperf3', 'tcpdump', 'sh'],
      'localhost/nauti-base:trixie': [
        ...['node', 'ovs-vsctl', 'ovs-vswitchd', 'ovn-nbctl', 'ovn-controller', 'wg', 'wireguard-go'],
        ...['nft', 'ip', 'ethtool', 'conntrack'],
      ],
    };
    for (const [image, names] of Object.entries(programs)) {
      const which = ['--command', '--', 'sh', '-c', `command -v ${names.join(' && command -v ')}`];
      const pod = [
        'kubectl',
        'cluster2',
        'run',
        'which',
        `--image=${image}`,
        '--restart=Never',
        '--rm',
        '--attach',
      ];
      const { code, stdout, stderr } = await lab(...pod, ...which);
      expect(code, `${image}: ${stderr}${stdout}`).to.equal(0);
    }
  });

  it('runs commands in a node, and shows logs', async () => {
    expect((await lab('exec', 'cluster1-node2', 'hostname')).stdout).to.equal('cluster1-node2\n');
    expect((await lab('exec', 'hub-node1', '--', 'sh', '-c', 'exit 7')).code).to.equal(7);
    expect((await lab('logs', 'hub', 'etcd', '-n', '5')).code).to.equal(0);
    expect((await lab('logs', 'cluster1', 'kubelet')).stdout).to.contain(
      'cluster1-node2/var/log/kubelet.log',
    );
    expect((await lab('logs', 'hub', 'nginx')).stderr).to.contain('must be one of etcd, kube-apiserver');
    expect((await lab('exec', 'nowhere', 'true')).stderr).to.contain('must be one of hub-node1');
  });
});
