import { Cluster as DemoCluster } from '../../demo/cluster.ts';
import { deployNginx, exampleUrl, exportNginx } from '../../demo/example.ts';
import { buildNautiImage, type NautiImage } from '../../demo/image.ts';
import { joinCluster } from '../../demo/install.ts';
import { Journal } from '../../demo/journal.ts';
import { kubectlNauti } from '../../demo/kubectl-nauti.ts';
import { serverUrl } from '../../lab/control-plane-plan.ts';
import { removeClusters } from '../../lab/down.ts';
import { loadImage } from '../../lab/images.ts';
import { clusters, killApiServer, startApiServer, startNode, stopNode } from '../../lab/lab.ts';
import { withLabLock } from '../../lab/registry.ts';
import { bringUp } from '../../lab/up.ts';
import { eventually } from './eventually.ts';
import { readJson, tryKubectl } from './kubectl.ts';
import { curl, dig, type Toolbox } from './toolbox.ts';

const name = 'cluster3';
const node = 'cluster3-node1';
/** Milliseconds. */
const patience = 90_000;

/** A cluster of the lab that is not one of the demo's, and what others see of it. */
export class ThirdCluster {
  /** By it the others ask for the endpoints of this cluster only. */
  readonly hostname = `${name}.${new URL(exampleUrl).hostname}`;
  readonly #journal = new Journal('/dev/null');
  #image: NautiImage | undefined;

  get cluster(): DemoCluster {
    return this.#demo(name);
  }

  #demo(cluster: string): DemoCluster {
    return new DemoCluster(cluster, this.#journal, new AbortController().signal);
  }

  /** Makes the cluster beside those that run, with the image of the project on its nodes, and nothing installed. */
  async create(): Promise<void> {
    const [image] = await Promise.all([buildNautiImage(), bringUp({ clusters: [name] })]);
    await loadImage(image.archive, [name]);
    this.#image = image;
  }

  /** Joins it to the hub; returns when all that it runs is ready. */
  async join(): Promise<void> {
    const hub = (await clusters()).find(cluster => cluster.name === 'hub');
    if (hub === undefined || this.#image === undefined)
      throw new Error('Cannot join a cluster as it must have been created, and the lab must have a hub');
    await joinCluster(this.cluster, { hub: this.#demo('hub'), url: serverUrl(hub), image: this.#image });
  }

  /** Runs the demo's nginx and exports it. */
  async export(): Promise<void> {
    await deployNginx(this.cluster);
    await exportNginx(this.cluster);
  }

  /** Waits until its export is answered in the clusters of these pods, or is not any more. */
  async isAnswered(boxes: readonly Toolbox[], wanted: boolean): Promise<void> {
    const seen = async (box: Toolbox) =>
      eventually(
        `${box.cluster} ${wanted ? '' : 'not '}answering ${this.hostname}`,
        patience,
        () => dig(box, this.hostname),
        ({ data, status }) => (wanted ? data.length > 0 : data.length === 0 && status !== 'none'),
      );
    await Promise.all(boxes.map(seen));
  }

  /** Waits until the page of its nginx comes to these pods. */
  async isReached(boxes: readonly Toolbox[]): Promise<void> {
    const get = async (box: Toolbox) =>
      eventually(
        `a page of ${this.hostname} in ${box.cluster}`,
        patience,
        () => curl(box, `http://${this.hostname}`),
        page => page?.includes('Welcome to nginx!') === true,
      );
    await Promise.all(boxes.map(get));
  }

  /** Waits until the hub says whether it lives. */
  async isAlive(wanted: 'True' | 'False'): Promise<void> {
    await eventually(
      `the hub saying Alive=${wanted}`,
      patience,
      async () => {
        const { status } = (await readJson('hub', ['peer', name, '-n', 'syncer-operator'])) as {
          status?: { conditions?: { type: string; status: string }[] };
        };
        return status?.conditions?.find(({ type }) => type === 'Alive')?.status;
      },
      status => status === wanted,
    );
  }

  /** A power cut of all of it. */
  async losePower(): Promise<void> {
    await Promise.all([stopNode(node), killApiServer(name)]);
  }

  async getPower(): Promise<void> {
    await startApiServer(name);
    await startNode(node);
  }

  /** Takes it out of the set and out of the lab, in whatever state it is. */
  async remove(): Promise<void> {
    if ((await clusters()).some(cluster => cluster.name === name)) {
      await withLabLock(
        () => removeClusters([name]),
        () => {},
      );
    }
    // Where it never came to join there is nothing to remove.
    const isKnown = (await tryKubectl('hub', ['get', 'peer', name, '-n', 'syncer-operator'])).code === 0;
    if (isKnown) await kubectlNauti(this.#demo('hub'), ['remove', name, '--yes']);
    await this.#journal.close();
  }
}
