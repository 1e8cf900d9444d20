import type { Source, SourceContext } from './source.ts';

/** Opens the source that a text names; the code of the others is not loaded. */
export async function openSource(
  text: string,
  kubeconfig: string | undefined,
  context: SourceContext,
): Promise<Source> {
  if (text === 'kubernetes') {
    const { KubernetesSource } = await import('./kubernetes.ts');
    return KubernetesSource.open(kubeconfig, context);
  }
  const { DirectorySource } = await import('./directory.ts');
  return new DirectorySource(text, context);
}
