import { basename, join } from 'node:path';
import { bundle } from '../build/bundle.ts';
import { buildImage, ensureBaseImage, loadImage, type Progress } from '../lab/images.ts';
import { checkout } from '../lab/tools.ts';

/** The image as the charts are told of it. */
export interface NautiImage {
  readonly repository: string;
  readonly tag: string;
  /** Changes with the image's content: pods restart when it does. */
  readonly id: string;
  readonly archive: string;
}

const repository = 'localhost/nauti';
const tag = 'dev';

/** Bundles the program and builds the project's Dockerfile upon the lab's base. */
export async function buildNautiImage(progress: Progress = {}): Promise<NautiImage> {
  progress.onProgress?.('bundling the program');
  await bundle();
  const base = await ensureBaseImage(progress);
  const archive = await buildImage({
    context: checkout,
    dockerfile: join(checkout, 'Dockerfile'),
    tag: `${repository}:${tag}`,
    args: { BASE: base },
    ...progress,
  });
  return { repository, tag, id: basename(archive, '.tar').split('@').at(-1) ?? '', archive };
}

/** Loads it into all nodes of the running lab. */
export function loadNautiImage(image: NautiImage, progress: Progress = {}): Promise<void> {
  return loadImage(image.archive, undefined, progress);
}
