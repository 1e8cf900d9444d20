import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { Registry } from 'prom-client';
import { podAnnotations } from '../api/names.ts';
import { controllerMetrics } from './metrics.ts';
import { options } from './options.ts';

const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8');

/** What stands in backquotes in the first column of the table below a heading. */
function namesBelow(heading: string): string[] {
  const [, section = ''] = readme.split(`\n## ${heading}\n`);
  const [text = ''] = section.split('\n## ');
  return [...text.matchAll(/^\| (`[^|]*)\|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  );
}

describe("ovn-controller's README", () => {
  it('names every flag, and no other', () => {
    const flags = Object.values(options).map(({ flag }) => `--${flag}`);
    expect(namesBelow('Flags').sort()).to.deep.equal(flags.sort());
  });

  it('names every metric, and no other', async () => {
    const registry = new Registry();
    const nothing = { book: undefined, refused: 0, queueDepth: 0, isOvnFollowed: false };
    controllerMetrics(registry, () => nothing);
    const metrics = (await registry.getMetricsAsJSON()).map(({ name }) => name);
    expect(namesBelow('Metrics').sort()).to.deep.equal(metrics.sort());
  });

  it('names every annotation of a pod, and every file of the folder that is no test', () => {
    const annotations = namesBelow('What a pod gets').filter(name => name.startsWith('nauti.io/'));
    expect(annotations.sort()).to.deep.equal(Object.values(podAnnotations).sort());
    const files = readdirSync(new URL('.', import.meta.url)).filter(
      name => name.endsWith('.ts') && !name.endsWith('.test.ts'),
    );
    expect(
      namesBelow('Flow')
        .filter(name => name.endsWith('.ts'))
        .sort(),
    ).to.deep.equal(files.sort());
  });
});
