/** What the gate runs, in order: quick checks first, what needs a lab last. */
export type Step =
  | { readonly kind: 'prepare'; readonly name: string; readonly command: readonly string[] }
  | { readonly kind: 'check'; readonly name: string; readonly command: readonly string[] }
  | {
      readonly kind: 'tests';
      readonly name: string;
      readonly files: readonly string[];
      readonly timeoutMs: number;
    };

const node = process.execPath;

export const steps: readonly Step[] = [
  { kind: 'check', name: 'format and lint', command: ['biome', 'ci', '--colors=off'] },
  { kind: 'check', name: 'types', command: ['tsc', '-p', '.'] },
  {
    kind: 'tests',
    name: 'unit',
    files: [
      '{api,kube,ipam,process,membership,crossdns,syncer,ovn-controller,nri,octopus,hub,cli,lab,build,demo}/**/*.test.ts',
      'test/{gate,architecture}/**/*.test.ts',
    ],
    timeoutMs: 300_000,
  },
  { kind: 'prepare', name: 'tools of the lab', command: [node, 'lab/main.ts', 'tools'] },
  {
    kind: 'tests',
    name: 'ovsdb-client',
    files: ['ovsdb-client/**/*.test.ts'],
    timeoutMs: 300_000,
  },
  {
    kind: 'tests',
    name: 'integration',
    files: ['test/{integration,helm}/**/*.test.ts'],
    timeoutMs: 900_000,
  },
  { kind: 'tests', name: 'end to end', files: ['test/e2e/**/*.test.ts'], timeoutMs: 900_000 },
];
