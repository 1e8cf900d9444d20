import { expect } from 'chai';
import { parse } from 'yaml';
import type { KubeObject } from '../api/meta.ts';
import { hubLabels } from '../api/names.ts';
import { type Peer, parsePeer } from '../api/peer.ts';
import { shortDuration } from './age.ts';
import { clusterStatuses } from './cluster-status.ts';
import { joinInstructions, joinValues, urlWarning } from './join-instructions.ts';
import { renderStatuses } from './status-command.ts';
import { renderTable } from './table.ts';
import { renderTokens } from './token-commands.ts';

const now = Date.parse('2025-03-01T12:00:00Z');

describe('what kubectl nauti prints', () => {
  it('has tables as kubectl has them', () => {
    const text = renderTable(
      ['NAME', 'AGE'],
      [
        ['a', '5s'],
        ['much-longer', '12d'],
      ],
    );
    expect(text).to.equal('NAME          AGE\na             5s\nmuch-longer   12d');
  });

  it('shows nothing that would steer a terminal', () => {
    expect(renderTable(['A'], [['\u001b[2Jx\u0007']])).to.equal('A\n?[2Jx?');
  });

  it('has ages in one unit', () => {
    const ages = [-5, 0, 59_999, 119_999, 120_000, 5_400_000, 7_200_000, 172_799_000, 172_800_000, 1e12];
    expect(ages.map(shortDuration)).to.deep.equal([
      '0s',
      '0s',
      '59s',
      '119s',
      '2m',
      '90m',
      '2h',
      '47h',
      '2d',
      '11574d',
    ]);
  });

  it('tells how a cluster joins, in a command that keeps the token out of the list of processes', () => {
    const joining = {
      id: 'cluster1',
      url: 'https://198.51.100.10:6443',
      token: `ey${'x'.repeat(3000)}`,
      expiresAt: new Date(now + 900_000),
      cidr: '10.113.0.0/16',
      chart: 'helm/nauti-agent',
    };
    const text = joinInstructions(joining, new Date(now));
    expect(text).to.match(/^cluster1 may join once, until 2025-03-01T12:15:00Z \(15m\)\. Run in cluster1:$/m);
    const [, command, values] = /(helm install .*)<<'VALUES'\n([\s\S]*)VALUES\n$/.exec(text) ?? [];
    expect(command).to.equal(
      'helm install nauti-agent helm/nauti-agent --namespace nauti-system --create-namespace --values - ',
    );
    expect(parse(values ?? '')).to.deep.equal({
      cluster: { clusterID: 'cluster1' },
      hub: { hubURL: joining.url, bootstraptoken: joining.token },
      tunnel: { cidr: '10.113.0.0/16' },
    });
    expect(parse(joinValues({ ...joining, cidr: undefined }))).to.not.have.property('tunnel');
  });

  it('warns of a URL that only this machine reaches', () => {
    for (const url of [
      'https://127.0.0.1:6443',
      'https://localhost:6443',
      'https://[::1]:6443',
      'https://0.0.0.0:1',
    ]) {
      expect(urlWarning(url), url).to.match(/--hub-url/);
    }
    expect(urlWarning('https://198.51.100.10:6443')).to.equal(undefined);
  });

  it('lists tokens', () => {
    expect(renderTokens([], now)).to.equal('No join token is waiting to be used.');
    const token = (id: string, left: number) => ({
      id,
      createdAt: new Date(now - 60_000),
      expiresAt: new Date(now + left),
      requestedCidr: undefined,
    });
    expect(
      renderTokens([token('a', 840_000), token('b', -1)], now)
        .split('\n')
        .slice(1),
    ).to.deep.equal(['a         60s   14m', 'b         60s   expired']);
  });
});

describe('the status of clusters', () => {
  const peer = (id: string, spec: object, conditions: object[] = []): Peer =>
    parsePeer({
      metadata: { name: id },
      spec: { cluster_id: id, ...spec },
      status: {
        conditions: conditions.map(condition => ({
          message: '',
          reason: 'X',
          lastTransitionTime: '',
          ...condition,
        })),
      },
    });
  const lease = (id: string, ageMs: number): KubeObject => ({
    metadata: { name: id, labels: { [hubLabels.clusterId]: id } },
    spec: { holderIdentity: id, leaseDurationSeconds: 15, renewTime: new Date(now - ageMs).toISOString() },
  });
  const none = { peers: [], leases: [], joining: [], exports: new Map(), slices: new Map() };

  it('is what the hub says, else what the lease says', () => {
    const statuses = clusterStatuses(
      {
        peers: [
          peer('hub', { ishub: true, cluster_cidr: ['10.112.0.0/12'] }),
          peer('a', {}, [{ type: 'Alive', status: 'True' }]),
          peer('b', {}, [{ type: 'Alive', status: 'False' }]),
          peer('c', {}),
          peer('d', {}),
          peer('e', {}),
        ],
        leases: [lease('a', 99_000), lease('b', 1_000), lease('c', 3_000), lease('d', 16_000)],
        joining: ['f', 'a'],
        exports: new Map([['a', 3]]),
        slices: new Map([['orphan', 2]]),
      },
      now,
    );
    expect(statuses.map(({ id, state }) => `${id} ${state}`)).to.deep.equal([
      'hub hub',
      'a alive',
      'b silent',
      'c alive',
      'd silent',
      'e unknown',
      'f joining',
      'orphan unknown',
    ]);
  });

  it('is shown with what a person should know', () => {
    const exhausted = {
      type: 'CidrGiven',
      status: 'False',
      reason: 'Exhausted',
      message: '10.112.0.0/12 has no free part left',
    };
    const statuses = clusterStatuses(
      {
        ...none,
        peers: [
          peer('hub', { ishub: true, cluster_cidr: ['10.112.0.0/12'] }),
          peer('c17', { endpoint: 'gw', port: 1 }, [exhausted]),
        ],
        leases: [lease('c17', 3_000)],
      },
      now,
    );
    expect(renderStatuses(statuses)).to.equal(
      [
        'CLUSTER   STATE   LEASE    CIDR            ENDPOINT   NODES   EXPORTS   SLICES',
        'hub       hub              10.112.0.0/12',
        'c17       alive   3s ago                   gw 1               0         0',
        '',
        'c17: 10.112.0.0/12 has no free part left',
      ].join('\n'),
    );
    expect(renderStatuses([])).to.match(/There is no cluster yet/);
  });

  it('tells which nodes have no NRI, and of agents that reach no runtime', () => {
    const told = (id: string, annotation: string): KubeObject => {
      const object = lease(id, 3_000);
      return {
        ...object,
        metadata: { ...object.metadata, annotations: { 'nauti.io/node-agents': annotation } },
      };
    };
    const leases = [
      told('a', '{"nri":2,"cri":0,"none":0}'),
      told('b', '{"nri":1,"cri":1,"none":1}'),
      told('c', '{"nri":0,"cri":0,"none":0}'),
      told('d', '{"nri":"\\u001b[2J","cri":0,"none":0}'),
      lease('e', 3_000),
    ];
    const statuses = clusterStatuses({ ...none, leases }, now);
    expect(statuses.map(({ nodeAgents }) => nodeAgents)).to.deep.equal([
      { nri: 2, cri: 0, none: 0 },
      { nri: 1, cri: 1, none: 1 },
      { nri: 0, cri: 0, none: 0 },
      undefined,
      undefined,
    ]);
    const [table = '', ...notes] = renderStatuses(statuses).split('\n\n');
    expect(
      table.split('\n').map(line => / (NODES|\d.*?)? +\S+ +\S+$/.exec(line.slice(40))?.[1]),
    ).to.deep.equal(['NODES', '2 nri', '1 nri,1 cri,1 none', '0', undefined, undefined]);
    expect(notes.join('\n').split('\n')).to.satisfy((lines: string[]) =>
      [
        /^b: on 1 of 3 nodes the agent learns of pods out of band.* -l nauti\.io\/nri-mode=cri /,
        /^b: on 1 of 3 nodes the agent has not reached a container runtime/,
        /^d: Cannot read annotation nauti\.io\/node-agents as nri must be an integer/,
      ].every((pattern, index) => pattern.test(lines[index] ?? '')),
    );
    expect(notes.join()).to.not.match(/[^\P{C}\n]/u);
  });
});
