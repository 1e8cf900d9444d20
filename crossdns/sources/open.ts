import { UsageError } from '../../process/options.ts';
import type { Source, SourceContext } from './source.ts';

/** Opens the source that a text names; the code of the others is not loaded. */
export async function openSource(
  text: string,
  { kubeconfig, redisCa }: { readonly kubeconfig: string | undefined; readonly redisCa: string | undefined },
  context: SourceContext,
): Promise<Source> {
  if (text === 'kubernetes') {
    const { KubernetesSource } = await import('./kubernetes.ts');
    return KubernetesSource.open(kubeconfig, context);
  }
  if (/^rediss?:/.test(text)) {
    const [{ RedisSource }, { parseRedisTarget }] = await Promise.all([
      import('./redis.ts'),
      import('../redis/layout.ts'),
    ]);
    const target = parseRedisTarget(text);
    // The text may have a password: it is not repeated.
    if (target === undefined) {
      throw new UsageError(
        'Cannot use --source as it must be a Redis such as redis://:password@host:6379, or rediss://first,second/0?prefix=name',
      );
    }
    return new RedisSource({ ...target, ca: redisCa }, context);
  }
  const { DirectorySource } = await import('./directory.ts');
  return new DirectorySource(text, context);
}
