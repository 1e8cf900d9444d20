import { defineComponent, type ProcessContext } from '../process/component.ts';
import type { OptionSet, OptionValues, Parser } from '../process/options.ts';
import { whenAborted } from './abort.ts';
import { Catalog } from './catalog.ts';
import { Feed } from './feed.ts';
import { options } from './options.ts';
import { parseRedisTarget, type RedisTarget } from './redis/layout.ts';
import { Publisher } from './redis/publisher.ts';

const redisTarget: Parser<RedisTarget> = {
  expected:
    'a Redis such as redis://:password@host:6379, rediss://host (TLS) or redis://first,second/0?prefix=name',
  parse: parseRedisTarget,
};

const publishOptions = {
  from: { ...options.source, flag: 'from' },
  to: {
    flag: 'to',
    placeholder: 'URL',
    description: 'the Redis that is written; give it by the environment where it has a password',
    parser: redisTarget,
    required: true,
  },
  redisCa: options.redisCa,
  kubeconfig: options.kubeconfig,
  localNamespace: options.localNamespace,
} as const satisfies OptionSet;

export const dnsPublish = defineComponent({
  name: 'dns-publish',
  summary: 'keeps what crossdns answers from in Redis, for servers without access to an API server',
  help: `Servers read it by "nauti crossdns --source redis://…". One publisher is enough for any number of them; while it is
away they go on with what they know.`,
  options: publishOptions,
  run,
});

async function run(
  settings: OptionValues<typeof publishOptions>,
  { log, signal, probes, metrics }: ProcessContext,
): Promise<void> {
  const catalog = new Catalog();
  const { from, to, redisCa } = settings;
  const feed = await Feed.open({ ...settings, source: from, snapshot: undefined }, catalog, log);
  feed.registerMetrics(metrics);
  const publisher = new Publisher({ ...to, ca: redisCa }, catalog, log);
  probes.ready('redis', () => publisher.synced || 'does not have everything yet');
  // Only a whole view is published: what it lacks would be taken away from all servers.
  const { promise: whole, resolve } = Promise.withResolvers<void>();
  const feeding = feed.run(signal, resolve);
  await Promise.race([whole, feeding, whenAborted(signal)]);
  await Promise.all([feeding, signal.aborted ? undefined : publisher.run(signal)]);
}
