/**
 * Writes the tables of values in the charts' READMEs anew from their values.yaml:
 *
 *     node test/helm/write-readme.ts
 */
import { readFile, writeFile } from 'node:fs/promises';
import { chartPath, charts } from './helm.ts';
import { documentedValues, valuesTable } from './values.ts';

for (const chart of charts) {
  const file = chartPath(chart, 'README.md');
  const readme = await readFile(file, 'utf8');
  const table = valuesTable(documentedValues(await readFile(chartPath(chart, 'values.yaml'), 'utf8')));
  const written = readme.replace(/(^## Values\n\n)(\|.*\n)+/m, (_, title: string) => title + table);
  if (written === readme && !readme.includes(table)) {
    throw new Error(`Cannot write the values into ${file} as it must have a table under "## Values"`);
  }
  await writeFile(file, written);
}
