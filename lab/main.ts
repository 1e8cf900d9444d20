/** The command line of the lab: `npm run lab -- <command>`. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { Command, Option } from 'commander';
import { removeClusters, removeLab } from './down.ts';
import { loadImage } from './images.ts';
import { showLogs } from './logs.ts';
import { commandInNode } from './node.ts';
import { kubeconfigPath } from './paths.ts';
import { readLabState, runningTopology, withLabLock } from './registry.ts';
import { describeLab } from './status.ts';
import { ensureTools, toolPath } from './tools.ts';
import { clusterNamed, clusterNames, nodeNamed, podNetworkModes, usualClusters } from './topology.ts';
import { bringUp, prepareLab } from './up.ts';

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () =>
    interrupted.abort(new Error(`Interrupted by ${signal}; the same command goes on from here`)),
  );
}
const { signal } = interrupted;
const say = (text: string) => void process.stdout.write(`${text}\n`);
const commaSeparated = (text: string) => text.split(',').filter(Boolean);

const program = new Command('lab')
  .description('A real multi-cluster Kubernetes lab on this machine: control planes, nodes, pods, DNS.')
  .enablePositionalOptions()
  .showHelpAfterError('(add --help for the ways to use it)');

program
  .command('up')
  .description('bring up the lab, or what is missing of it')
  .option(
    '--clusters <names>',
    `of ${clusterNames.join(', ')}, separated by commas (default: ${usualClusters.join(',')})`,
    commaSeparated,
  )
  .addOption(
    new Option(
      '--pod-networks <mode>',
      'overlapping (the default): all clusters use the same pod CIDR, and cluster2 is behind a NAT; routed: one flat pod network',
    ).choices(podNetworkModes),
  )
  .action(async ({ clusters, podNetworks }) => {
    const begin = performance.now();
    const topology = await bringUp({
      signal,
      ...(clusters && { clusters }),
      ...(podNetworks && { podNetworks }),
    });
    say(`\nThe lab is up (${((performance.now() - begin) / 1000).toFixed(1)} s). Try:`);
    for (const { name } of topology.clusters) say(`  npm run lab -- kubectl ${name} get pods -A -o wide`);
    say('  npm run lab -- status');
  });

program
  .command('down')
  .description('end the lab and remove all of it from this machine, also one that another checkout started')
  .option('--clusters <names>', 'only these of its clusters, separated by commas', commaSeparated)
  .action(({ clusters }) =>
    withLabLock(
      async () => {
        const begin = performance.now();
        if (clusters !== undefined) {
          await removeClusters(clusters, signal);
          say(`${clusters.join(', ')}: down`);
          return;
        }
        const state = await readLabState();
        await removeLab(state.kind === 'none' ? undefined : state.record, signal);
        const seconds = ((performance.now() - begin) / 1000).toFixed(1);
        say(
          `The lab is down (${seconds} s): no process, namespace, device, mount, cgroup or file of it is left.`,
        );
      },
      () => say('Waiting for another command that changes the lab …'),
    ),
  );

program
  .command('status')
  .description('show what runs; exit code 0 means all of it')
  .action(async () => {
    const { text, healthy } = await describeLab();
    process.stdout.write(text);
    if (!healthy) process.exitCode = 1;
  });

program
  .command('kubectl')
  .description('run kubectl as administrator of a cluster')
  .argument('<cluster>')
  .argument('[arguments...]')
  .passThroughOptions()
  .allowUnknownOption()
  .helpOption(false)
  .action(async (cluster: string, words: string[]) => {
    const args = words[0] === '--' ? words.slice(1) : words;
    const { name } = clusterNamed(await runningTopology(), cluster);
    await become(toolPath('kubectl'), ['--kubeconfig', kubeconfigPath(name), ...args]);
  });

program
  .command('load-image')
  .description('load an image archive (OCI or docker save, uncompressed) into the nodes')
  .argument('<tar>')
  .option('--cluster <names>', 'only into these clusters, separated by commas', commaSeparated)
  .action(async (tar: string, { cluster }) => {
    const begin = performance.now();
    await loadImage(tar, cluster, { signal, onProgress: say });
    say(`loaded (${((performance.now() - begin) / 1000).toFixed(1)} s)`);
  });

program
  .command('logs')
  .description('print the log of a component: of the control plane, or of all nodes of a cluster')
  .argument('<cluster>')
  .argument('<component>', 'etcd, kube-apiserver, …, or containerd, kubelet, kube-proxy, boot')
  .option('-f, --follow', 'go on as the log grows')
  .option('-n, --lines <number>', 'how many lines from the end', '100')
  .action(async (cluster: string, component: string, { follow, lines }) => {
    const topology = await runningTopology();
    await become('tail', showLogs(clusterNamed(topology, cluster), component, { follow, lines }));
  });

program
  .command('exec')
  .description('run a command in a node, as root; a shell where none is given')
  .argument('<node>')
  .argument('[command...]')
  .passThroughOptions()
  .action(async (node: string, words: string[]) => {
    const command = words[0] === '--' ? words.slice(1) : words;
    const inside = await commandInNode(
      nodeNamed(await runningTopology(), node),
      command.length > 0 ? command : ['bash'],
    );
    await become(inside.command, inside.args);
  });

program
  .command('tools')
  .description(
    'build or find the programs of the lab, and link them in .lab/bin; --all: packages and images too',
  )
  .option('--all', 'all that "up" needs')
  .action(async ({ all }) => {
    if (all) await prepareLab(signal);
    else say(`The tools are in ${await ensureTools({ signal, onProgress: say })}`);
  });

/** Runs a program in the place of this one, as far as its terminal and exit code are concerned. */
function become(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit' });
    signal.addEventListener('abort', () => child.kill());
    child.once('error', reject);
    child.once('exit', (code, killedBy) => {
      process.exitCode = code ?? 128 + constants.signals[killedBy ?? 'SIGKILL'];
      resolve();
    });
  });
}

try {
  await program.parseAsync();
} catch (error) {
  // An interrupt reaches the programs that are running too, so that any of them may be the first to fail.
  const shown = signal.aborted ? signal.reason : error;
  process.stderr.write(`\n${shown instanceof Error ? shown.message : String(shown)}\n`);
  process.exitCode = 1;
}
