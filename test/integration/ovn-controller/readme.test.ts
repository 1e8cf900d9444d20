import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import type { KubeObject } from '../../../api/meta.ts';
import { namespaces, pods } from '../../../api/resource.ts';
import { ControllerProcess } from './controller-process.ts';
import { startWorld } from './world.ts';

describe("the ovn-controller's README", () => {
  it('shows one command that starts it, and a pod that gets the address that it asks for', async function () {
    this.timeout(180_000);
    const markdown = await readFile(new URL('../../../ovn-controller/README.md', import.meta.url), 'utf8');
    const blocks = (language: string) =>
      [...markdown.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
        ([, text = '']) => text,
      );
    const [command = '', ...otherCommands] = blocks('sh');
    const [manifest = '', ...otherManifests] = blocks('yaml');
    expect([...otherCommands, ...otherManifests]).to.deep.equal([]);
    expect(command).to.match(/^nauti ovn-controller /);

    await using world = await startWorld();
    const directory = await mkdtemp(join(tmpdir(), 'nauti-readme-'));
    const { endpoint } = world.ovn.northbound;
    const socket = endpoint.kind === 'unix' ? endpoint.path : '';
    await copyFile(world.plane.kubeconfig, join(directory, 'cluster1.kubeconfig'));
    const words = command.trim().replace('/run/ovn/ovnnb_db.sock', socket).split(' ').slice(2);
    const controller = await ControllerProcess.start(words, directory);
    try {
      await controller.leading();
      await world.admin.create(namespaces, { metadata: { name: 'default' } }).catch(() => undefined);
      const pod = parse(manifest) as KubeObject;
      await world.admin.create(pods, pod);
      const { namespace = '', name = '', annotations } = pod.metadata;
      expect(await world.allocated(namespace, name)).to.include(annotations);
    } finally {
      await controller.kill();
      await rm(directory, { recursive: true, force: true });
    }
  });
});
