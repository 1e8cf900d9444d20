import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { configMaps, leases } from '../../../api/resource.ts';
import { kubeconfigAccess } from '../../../kube/access.ts';
import { until } from '../../../lab/until.ts';
import { silentLogger } from '../../../process/log.ts';
import { greet } from './greeter.ts';
import { useTestPlane } from './plane.ts';

describe("the README's controller", () => {
  const plane = useTestPlane();

  it('is the file that is tested here', async () => {
    const readme = await readFile(new URL('../../../kube/README.md', import.meta.url), 'utf8');
    const example = await readFile(new URL('./greeter.ts', import.meta.url), 'utf8');
    expect(readme).to.contain(`\`\`\`ts\n${example.replaceAll('../../../', '../')}\`\`\``);
  });

  it('greets, by one of two processes, and leaves nothing behind', async () => {
    const namespace = await plane().namespace();
    const stop = new AbortController();
    const access = await kubeconfigAccess(plane().controlPlane.kubeconfig);
    const running = ['one', 'two'].map(identity => greet(access, identity, silentLogger(), stop.signal));
    const metadata = (whom: string) => ({ namespace, name: 'a', labels: { greet: whom } });
    const greeted = (whom: string) =>
      until(
        async () => {
          const object = await plane().admin.get(configMaps, { namespace, name: 'a' });
          return (object?.data as Record<string, string> | undefined)?.greeting === `hello ${whom}`;
        },
        { what: `hello ${whom}`, timeout: 60_000, interval: 20 },
      );
    await plane().admin.apply(configMaps, { metadata: metadata('world') }, { fieldManager: 'test' });
    await greeted('world');
    await plane().admin.apply(configMaps, { metadata: metadata('moon') }, { fieldManager: 'test' });
    await greeted('moon');
    stop.abort();
    await Promise.all(running);
    const lease = await plane().admin.get(leases, { namespace: 'default', name: 'greeter' });
    expect(lease).to.have.property('spec').that.does.not.have.property('holderIdentity', 'one');
    expect(lease).to.have.property('spec').that.does.not.have.property('holderIdentity', 'two');
  });
});
