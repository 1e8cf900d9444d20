/** `npm run build`: makes `dist/`, and says how large it came out. */
import { bundle } from './bundle.ts';

const begin = performance.now();
const files = await bundle();
const kilobytes = files.reduce((sum, file) => sum + file.bytes, 0) / 1000;
process.stdout.write(
  `dist/: ${files.length} modules, ${kilobytes.toFixed(0)} kB, ${(performance.now() - begin).toFixed(0)} ms\n`,
);
