/** What the image runs: the program and its packages as JavaScript, in pieces, so that a component loads only its own. */
import { cp, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Where `npm run build` puts the program and where the Dockerfile takes it from. */
export const distDirectory: string = join(root, 'dist');

export interface BundledFile {
  readonly name: string;
  readonly bytes: number;
}

/**
 * Makes `nauti.js` and what it loads. They need Node, and nothing of node_modules.
 *
 * @param output directory that is emptied first.
 * @returns the modules written, without their source maps.
 */
export async function bundle(output: string = distDirectory): Promise<readonly BundledFile[]> {
  await rm(output, { recursive: true, force: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { nauti: 'cli/nauti.ts', ...workers },
    outdir: output,
    // All in one directory: a chunk finds the workers beside itself.
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    sourcemap: true,
    sourcesContent: false,
    // Stack traces and logs keep the names that the sources have.
    keepNames: true,
    minifySyntax: true,
    legalComments: 'linked',
    metafile: true,
    logLevel: 'warning',
    banner: { js: [commonJsGlobals, pathsOfWorkers].join('\n') },
    plugins: [latePackages, plainBuiltins],
  });
  // Without it Node would read each file twice to find out that it is a module.
  await writeFile(join(output, 'package.json'), '{ "type": "module" }\n');
  await copyNativePackages(output);
  return Object.entries(metafile.outputs)
    .filter(([path]) => path.endsWith('.js'))
    .map(([path, { bytes }]) => ({ name: basename(path), bytes }));
}

/**
 * koffi has a library of the machine's own kind, which no bundle can hold. crossdns loads it where it is there: for
 * another kind of machine than the one that builds, `npm ci` there and build there.
 */
async function copyNativePackages(output: string): Promise<void> {
  const scope = join('node_modules', '@koromix');
  const libraries = await readdir(join(root, scope)).catch(() => []);
  if (libraries.length === 0) return;
  for (const path of [join('node_modules', 'koffi'), ...libraries.map(name => join(scope, name))]) {
    await cp(join(root, path), join(output, path), { recursive: true, filter: isNeededOfNative });
  }
}

/** Without sources, documentation and the libraries for musl. */
function isNeededOfNative(path: string): boolean {
  return !/\/(vendor|doc|build|musl_\w+)(\/|$)|\/lib(\/|$)|\.(cc|hh|inc|md|S|asm|d\.ts)$|cnoke/.test(
    path.slice(path.lastIndexOf('node_modules')),
  );
}

/** Packages that are CommonJS use these, which a module does not have. */
const commonJsGlobals = [
  "import { createRequire as createRequireOfBundle } from 'node:module';",
  'const require = createRequireOfBundle(import.meta.url);',
  'const __filename = import.meta.filename;',
  'const __dirname = import.meta.dirname;',
].join('\n');

/** pino writes to a terminal from a worker thread, which starts from files of its own. */
const workers: Readonly<Record<string, string>> = {
  'thread-stream-worker': 'thread-stream/lib/worker.js',
  'pino-worker': 'pino/lib/worker.js',
  'pino-pretty': 'pino-pretty',
};

/** The global in which a bundled pino looks for those files. */
const pathsOfWorkers = `globalThis.__bundlerPathsOverrides ??= {${Object.keys(workers)
  .map(name => `${JSON.stringify(name)}: \`\${__dirname}/${name}.js\``)
  .join(', ')}};`;

/**
 * What the sources take of packages that they load late, by `await import('package')`. Nothing else of such a package
 * gets into the bundle: of client-node that is 1 % of it. A CommonJS package has its names only by this.
 */
const takenLate: Readonly<Record<string, readonly string[]>> = {
  '@kubernetes/client-node': ['KubeConfig'],
  ioredis: ['Redis'],
  'prom-client': ['collectDefaultMetrics'],
};

const latePackages: Plugin = {
  name: 'late packages',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[@a-z]/ }, ({ path, kind, importer }) => {
      if (kind !== 'dynamic-import' || importer.includes('/node_modules/')) return undefined;
      if (takenLate[path] !== undefined) return { path, namespace: 'late' };
      return { errors: [{ text: `Cannot bundle the late import as takenLate must list ${path}` }] };
    });
    onLoad({ filter: /.*/, namespace: 'late' }, ({ path }) => ({
      contents: `export { ${takenLate[path]?.join(', ')} } from '${path}';`,
      resolveDir: root,
    }));
    // client-node's modules only define classes, which its package.json does not say.
    onResolve({ filter: /^\.{1,2}\/.*\.js$/ }, ({ path, resolveDir }) =>
      resolveDir.includes('/node_modules/@kubernetes/client-node/')
        ? { path: join(resolveDir, path), sideEffects: false }
        : undefined,
    );
  },
};

/**
 * An `import` of these evaluates all of their properties, also those that Node makes when they are asked for: with node:http
 * come fetch and WebSocket, 12 MB that nothing here uses. Taken as values, without such properties, they cost what they are.
 */
const plainBuiltins: Plugin = {
  name: 'plain builtins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:)?(http|util|process)$/ }, ({ path, kind }) =>
      kind === 'import-statement'
        ? { path: path.replace(/^(node:)?/, 'node:'), namespace: 'plain' }
        : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'plain' }, ({ path }) => {
      const properties = Object.entries(Object.getOwnPropertyDescriptors(process.getBuiltinModule(path)));
      const names = properties.flatMap(([name, { get }]) =>
        get === undefined && /^[a-zA-Z]\w*$/.test(name) && name !== 'default' ? [name] : [],
      );
      return {
        contents: `const builtin = process.getBuiltinModule('${path}');
export default builtin;
export const { ${names.join(', ')} } = builtin;`,
      };
    });
  },
};
