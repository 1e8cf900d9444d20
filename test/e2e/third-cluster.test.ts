import { expect } from 'chai';
import { exampleUrl } from '../../demo/example.ts';
import { dropNamespace, freshNamespace } from './namespaces.ts';
import { ThirdCluster } from './third-cluster.ts';
import { curl, secondAddress, startToolbox, type Toolbox } from './toolbox.ts';
import { rowOf, Traffic, tableHead } from './traffic.ts';

const namespace = 'e2e-third';

describe('a third cluster', function () {
  this.timeout(480_000);
  const third = new ThirdCluster();
  let boxes: readonly [Toolbox, Toolbox];
  let traffic: Traffic;

  before(async () => {
    const creating = third.create();
    await freshNamespace(namespace, ['cluster1', 'cluster2']);
    boxes = await Promise.all([startToolbox('cluster1', namespace), startToolbox('cluster2', namespace)]);
    await creating;
    const [server, client] = boxes;
    traffic = await Traffic.start(client, server, await secondAddress(server));
  });

  after(async () => {
    await third.remove();
    await dropNamespace(namespace, ['cluster1', 'cluster2']);
  });

  it('joins, and its export is answered and reached in the others', async () => {
    await third.join();
    await third.export();
    await third.isAnswered(boxes, true);
    await third.isReached(boxes);
  });

  it('loses all power: its endpoints leave the answers, and the hub says that it is dead', async () => {
    await third.losePower();
    await Promise.all([third.isAnswered(boxes, false), third.isAlive('False')]);
    // The other endpoint of the same service is there as ever.
    for (const box of boxes) expect(await curl(box, exampleUrl)).to.contain('Welcome to nginx!');
  });

  it('stopped no packet between the others by either', async () => {
    await traffic.flows(100);
    const seen = await traffic.end();
    process.stdout.write(`\n${tableHead}\n${rowOf('a third cluster joins and dies', seen)}\n\n`);
    expect(seen.stallMs, 'the TCP connection').to.be.a('number');
    // A machine that starts a cluster beside has pauses of its own.
    expect(seen.longestMs).to.be.below(15_000);
  });
});
