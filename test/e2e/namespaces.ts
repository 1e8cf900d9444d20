import { eventually } from './eventually.ts';
import { type Cluster, kubectl } from './kubectl.ts';

/** Milliseconds; pods and exports in them have to end first. */
const endLimit = 120_000;
const dropped: { readonly cluster: Cluster; readonly name: string }[] = [];

/** Makes a namespace that is empty, in each cluster, whatever an interrupted run has left. */
export async function freshNamespace(name: string, clusters: readonly Cluster[]): Promise<void> {
  await Promise.all(
    clusters.map(async cluster => {
      await kubectl(cluster, ['delete', 'namespace', name, '--ignore-not-found', '--wait=false']);
      await eventually(
        `a fresh namespace ${name} in ${cluster}`,
        endLimit,
        () => kubectl(cluster, ['create', 'namespace', name]),
        () => true,
      );
    }),
  );
}

/** Deletes a namespace. Nobody waits for its end before all tests have run; then it must have come. */
export async function dropNamespace(name: string, clusters: readonly Cluster[]): Promise<void> {
  await Promise.all(
    clusters.map(cluster =>
      kubectl(cluster, ['delete', 'namespace', name, '--ignore-not-found', '--wait=false']),
    ),
  );
  for (const cluster of clusters) dropped.push({ cluster, name });
}

after(async function () {
  this.timeout(2 * endLimit);
  await Promise.all(
    dropped.map(({ cluster, name }) =>
      eventually(
        `the end of the namespace ${name} in ${cluster}`,
        endLimit,
        () => kubectl(cluster, ['get', 'namespace', name, '--ignore-not-found', '-o', 'jsonpath={.status}']),
        left => left === '',
      ),
    ),
  );
});
