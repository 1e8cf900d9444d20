import { expect } from 'chai';
import { silentLogger } from '../process/log.ts';
import { CriError, type ListedSandbox } from './cri-client.ts';
import { OutOfBand } from './out-of-band.ts';
import type { Sandbox } from './sandbox.ts';

const listed = (name: string): ListedSandbox => ({
  id: `id-${name}`,
  uid: `uid-${name}`,
  namespace: 'default',
  name,
  attempt: 0,
  isReady: true,
  annotations: {},
});

describe('pods found out of band', () => {
  // A double: no real runtime can be made to fail for one of its sandboxes.
  it('are told of also where the runtime does not say which network one has, and again once it does', async () => {
    const told: (readonly Sandbox[])[] = [];
    const stop = new AbortController();
    let failures = 2;
    const found = new OutOfBand({
      cri: {
        list: async () => [listed('a'), listed('b')],
        async netnsOf(id) {
          if (id === 'id-b' && failures-- > 0) throw new CriError('it is busy');
          return `/run/netns/${id}`;
        },
      },
      pods: () => ['default/a', 'default/b'],
      synchronize(sandboxes) {
        told.push(sandboxes);
        if (told.length === 2) stop.abort();
      },
      refused: error => {
        throw error;
      },
      log: silentLogger(),
    });
    await found.run(stop.signal, () => false);
    expect(told.map(list => list.map(({ id, netns }) => `${id} ${netns}`))).to.deep.equal([
      ['id-a /run/netns/id-a', 'id-b undefined'],
      ['id-a /run/netns/id-a', 'id-b /run/netns/id-b'],
    ]);
  });
});
