/** What the gate runs, in order: quick checks first, what wants the machine for itself last. */
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
      /** Files with mocha's root hooks. */
      readonly hooks?: readonly string[];
      /** A step before it, without whose success it would only fail, and slowly: it is not run then, and counts as failed. */
      readonly needs?: string;
      readonly timeoutMs: number;
    };

/** Steps one after the other. */
export type Lane = readonly Step[];

const node = process.execPath;

/** Stages one after the other, and the lanes of a stage side by side. */
export const stages: readonly (readonly Lane[])[] = [
  [
    [
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
    ],
  ],
  // Servers of their own, and no cluster beside them. More than two at once only take the machine from each other.
  [
    [
      {
        kind: 'tests',
        name: 'machinery and charts',
        files: [
          'test/integration/!(api|crossdns|hub|syncer|ovn-controller|ovn-pki|nri|octopus)/**/*.test.ts',
          'test/helm/**/*.test.ts',
        ],
        timeoutMs: 1_500_000,
      },
      { kind: 'tests', name: 'NICs', files: ['test/integration/nri/**/*.test.ts'], timeoutMs: 1_500_000 },
    ],
    [
      {
        kind: 'tests',
        name: 'names',
        files: ['test/integration/{crossdns,syncer}/**/*.test.ts', 'test/integration/*.test.ts'],
        timeoutMs: 1_500_000,
      },
      {
        kind: 'tests',
        name: 'addresses',
        files: ['test/integration/{ovn-controller,ovn-pki}/**/*.test.ts'],
        timeoutMs: 1_500_000,
      },
    ],
  ],
  // What wants clusters has the machine nearly for itself: their programs end what is late, and that costs more.
  [
    [
      // Apart from those that have namespaces and cgroups of their own, among which it looks for what it has left.
      {
        kind: 'tests',
        name: 'lab',
        files: ['test/lab/lifecycle.test.ts', 'test/lab/images.test.ts'],
        timeoutMs: 1_200_000,
      },
    ],
    [
      { kind: 'tests', name: 'ovsdb-client', files: ['ovsdb-client/**/*.test.ts'], timeoutMs: 900_000 },
      {
        kind: 'tests',
        name: 'membership',
        files: ['test/integration/{api,hub}/**/*.test.ts'],
        timeoutMs: 1_500_000,
      },
    ],
  ],
  [
    [
      // Installs on the lab that is up from the last stage, with nothing on it; what it prints at its end is what a user sees.
      // Then all of it is taken away and installed again.
      { kind: 'check', name: 'demo', command: [node, 'demo/main.ts'], timeoutMs: 900_000 },
      {
        kind: 'tests',
        name: 'end to end: charts',
        hooks: ['./test/e2e/tell-state.ts'],
        needs: 'demo',
        files: ['test/e2e/next-commands.test.ts', 'test/e2e/charts.test.ts'],
        timeoutMs: 1_200_000,
      },
    ],
    [
      {
        kind: 'tests',
        name: 'tunnels',
        files: ['test/integration/octopus/**/*.test.ts'],
        timeoutMs: 1_500_000,
      },
    ],
  ],
  // Alone: what is measured of outages is the product's, not of those beside it.
  [
    [
      {
        kind: 'tests',
        name: 'end to end: names',
        hooks: ['./test/e2e/tell-state.ts'],
        needs: 'demo',
        files: ['test/e2e/@(cluster-set-ip|crossdns|export-and-curl|third-cluster).test.ts'],
        timeoutMs: 1_500_000,
      },
      {
        kind: 'tests',
        name: 'end to end: outages',
        hooks: ['./test/e2e/tell-state.ts'],
        needs: 'demo',
        files: [
          'test/e2e/!(charts|cluster-set-ip|crossdns|export-and-curl|next-commands|third-cluster).test.ts',
        ],
        timeoutMs: 1_500_000,
      },
      // A developer goes on with the lab; a machine of CI is left as it was.
      ...(process.env.CI === undefined
        ? []
        : [{ kind: 'check' as const, name: 'lab down', command: [node, 'lab/main.ts', 'down'] }]),
    ],
  ],
];
