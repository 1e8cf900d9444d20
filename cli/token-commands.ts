import { Command, Option } from 'commander';
import { componentNamespace } from '../api/names.ts';
import { createJoinToken } from '../hub/join-token.ts';
import { listJoinTokens, type OutstandingToken, revokeJoinToken } from '../hub/outstanding-tokens.ts';
import type { Parser } from '../process/options.ts';
import { duration, httpsUrl } from '../process/parsers.ts';
import { shortDuration } from './age.ts';
import { clusterArgument, parsedBy } from './arguments.ts';
import { type ConnectionFlags, publicCa, publicUrl, withConnectionFlags, withHub } from './hub-connection.ts';
import { type Joining, joinInstructions, joinValues, urlWarning } from './join-instructions.ts';
import { renderTable } from './table.ts';

interface CreateFlags extends ConnectionFlags {
  readonly ttl: number;
  readonly cidr?: string;
  readonly hubUrl?: URL;
  readonly caFile?: string;
  readonly chart: string;
  readonly output: 'text' | 'values' | 'token';
}

/** A token of less is over before it is pasted, one of more is left lying about. */
const ttl: Parser<number> = {
  expected: 'a duration from 30s to 24h',
  parse(text) {
    const ms = duration.parse(text);
    return ms !== undefined && ms >= 30_000 && ms <= 86_400_000 ? ms : undefined;
  },
};

export function tokenCommand(): Command {
  return new Command('token')
    .description('join tokens, by which clusters become members of the hub')
    .addCommand(createCommand())
    .addCommand(listCommand())
    .addCommand(revokeCommand());
}

function createCommand(): Command {
  const command = new Command('create')
    .description('makes a join token for one cluster, and prints what to run there')
    .addArgument(clusterArgument())
    .addOption(
      new Option('--ttl <DURATION>', 'how long it may be used')
        .argParser(parsedBy(ttl))
        .default(900_000, '15m'),
    )
    .option(
      '--cidr <CIDR>',
      "what the cluster's pods are to have on the secondary network; without it the hub chooses",
    )
    .addOption(
      new Option(
        '--hub-url <URL>',
        "URL of the hub's API server as the cluster reaches it (default: the hub chart's hub.hubURL, else the kubeconfig's)",
      ).argParser(parsedBy(httpsUrl)),
    )
    .option('--ca-file <FILE>', "CA of the hub's API server (default: the kubeconfig's)")
    .option('--chart <CHART>', 'chart that the printed command installs', 'helm/nauti-agent')
    .addOption(
      new Option('-o, --output <FORM>', 'the command to run, only its values, or only the token')
        .choices(['text', 'values', 'token'])
        .default('text'),
    )
    .addHelpText(
      'after',
      `
Directly from the hub into the cluster, with two contexts of one kubeconfig:
  kubectl nauti token create cluster1 --context hub -o values |
    helm install nauti-agent helm/nauti-agent -n ${componentNamespace} --create-namespace --kube-context cluster1 -f -`,
    );
  return withConnectionFlags(command).action(create);
}

async function create(id: string, flags: CreateFlags): Promise<void> {
  await withHub(flags, async hub => {
    const url = await publicUrl(hub, flags.hubUrl?.href.replace(/\/$/, ''));
    const { text, expiresAt } = await createJoinToken({
      client: hub.client,
      place: { namespace: hub.namespace, id },
      ttlMs: flags.ttl,
      requestedCidr: flags.cidr,
      url,
      ca: await publicCa(hub, flags.caFile),
      signal: hub.signal,
    });
    const warning = urlWarning(url);
    if (warning !== undefined) process.stderr.write(`Warning: ${warning}\n`);
    const joining = { id, url, token: text, expiresAt, cidr: flags.cidr, chart: flags.chart };
    process.stdout.write(rendered(flags.output, joining));
  });
}

function rendered(form: CreateFlags['output'], joining: Joining): string {
  switch (form) {
    case 'token':
      return `${joining.token}\n`;
    case 'values':
      return joinValues(joining);
    case 'text':
      return joinInstructions(joining, new Date());
  }
}

function listCommand(): Command {
  const command = new Command('list').description(
    'join tokens that were not used yet; never the tokens themselves',
  );
  return withConnectionFlags(command).action(async (flags: ConnectionFlags) => {
    await withHub(flags, async ({ client, namespace, signal }) => {
      const tokens = await listJoinTokens(client, namespace, signal);
      process.stdout.write(`${renderTokens(tokens, Date.now())}\n`);
    });
  });
}

/** @param now epoch milliseconds. */
export function renderTokens(tokens: readonly OutstandingToken[], now: number): string {
  if (tokens.length === 0) return 'No join token is waiting to be used.';
  return renderTable(
    ['CLUSTER', 'AGE', 'EXPIRES IN', 'CIDR'],
    tokens.map(({ id, createdAt, expiresAt, requestedCidr }) => [
      id,
      createdAt === undefined ? '' : shortDuration(now - createdAt.getTime()),
      expiresAt === undefined
        ? ''
        : expiresAt.getTime() <= now
          ? 'expired'
          : shortDuration(expiresAt.getTime() - now),
      requestedCidr ?? '',
    ]),
  );
}

function revokeCommand(): Command {
  const command = new Command('revoke')
    .description('ends the join token of a cluster; what has joined already stays')
    .addArgument(clusterArgument());
  return withConnectionFlags(command).action(async (id: string, flags: ConnectionFlags) => {
    await withHub(flags, async ({ client, namespace, signal }) => {
      const revoked = await revokeJoinToken(client, { namespace, id }, signal);
      process.stdout.write(revoked ? `join token of ${id} revoked\n` : `there is no join token of ${id}\n`);
      if (!revoked) process.exitCode = 1;
    });
  });
}
