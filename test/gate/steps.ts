/** What the gate runs, in order: quick checks first, what needs a lab last. */
export type Step =
  | { readonly kind: 'prepare'; readonly name: string; readonly command: readonly string[] }
  | {
      readonly kind: 'check';
      readonly name: string;
      readonly command: readonly string[];
      readonly timeoutMs?: number;
    }
  | {
      readonly kind: 'tests';
      readonly name: string;
      readonly files: readonly string[];
      readonly timeoutMs: number;
    };

const node = process.execPath;

/** One after the other; those in a list of their own at once. */
export const steps: readonly (Step | readonly Step[])[] = [
  { kind: 'check', name: 'format and lint', command: ['biome', 'ci', '--colors=off'] },
  { kind: 'check', name: 'types', command: ['tsc', '-p', '.'] },
  {
    kind: 'tests',
    name: 'unit',
    files: [
      '{api,kube,ipam,process,membership,crossdns,syncer,ovn-controller,ovn-node,ovn-pki,nri,octopus,hub,cli,lab,build,demo}/**/*.test.ts',
      'test/{gate,architecture}/**/*.test.ts',
    ],
    timeoutMs: 300_000,
  },
  { kind: 'prepare', name: 'packages', command: [node, 'test/gate/packages.ts'] },
  { kind: 'prepare', name: 'tools and images', command: [node, 'lab/main.ts', 'tools', '--all'] },
  // Real servers wait more than they work: side by side they take half the time.
  [
    { kind: 'tests', name: 'ovsdb-client', files: ['ovsdb-client/**/*.test.ts'], timeoutMs: 600_000 },
    {
      kind: 'tests',
      name: 'names',
      files: ['test/integration/{crossdns,syncer}/**/*.test.ts', 'test/integration/*.test.ts'],
      timeoutMs: 1_500_000,
    },
    {
      kind: 'tests',
      name: 'membership',
      files: ['test/integration/{api,hub}/**/*.test.ts'],
      timeoutMs: 1_500_000,
    },
    {
      kind: 'tests',
      name: 'addresses',
      files: ['test/integration/{ovn-controller,ovn-pki}/**/*.test.ts'],
      timeoutMs: 1_500_000,
    },
    {
      kind: 'tests',
      name: 'networks',
      files: ['test/integration/{nri,octopus}/**/*.test.ts'],
      timeoutMs: 1_500_000,
    },
    {
      kind: 'tests',
      name: 'machinery and charts',
      files: [
        'test/integration/!(api|crossdns|hub|syncer|ovn-controller|ovn-pki|nri|octopus)/**/*.test.ts',
        'test/helm/**/*.test.ts',
      ],
      timeoutMs: 1_500_000,
    },
  ],
  // Takes the lab down and up again with nothing installed, so before those that want the product on it.
  { kind: 'tests', name: 'lab', files: ['test/lab/**/*.test.ts'], timeoutMs: 600_000 },
  // Installs on the lab; what it prints at its end is what a user sees.
  { kind: 'check', name: 'demo', command: [node, 'demo/main.ts'], timeoutMs: 900_000 },
  { kind: 'tests', name: 'end to end', files: ['test/e2e/**/*.test.ts'], timeoutMs: 1_200_000 },
  // A developer goes on with the lab; a machine of CI is left as it was.
  ...(process.env.CI === undefined
    ? []
    : [{ kind: 'check' as const, name: 'lab down', command: [node, 'lab/main.ts', 'down'] }]),
];
