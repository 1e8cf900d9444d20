import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { until } from '../../../lab/until.ts';
import { makePki } from '../../../ovsdb-client/testing/certificates.ts';
import { startStandalone } from '../../../ovsdb-client/testing/ovsdb-server.ts';
import { freePort, sharedFile } from '../../../ovsdb-client/testing/programs.ts';
import { ControllerProcess } from './controller-process.ts';
import { startWorld, type World } from './world.ts';

describe('an ovn-controller whose OVN is reached by TLS', function () {
  this.timeout(180_000);
  let world: World;
  let directory: string;

  before(async function () {
    this.timeout(180_000);
    world = await startWorld();
    directory = await mkdtemp(join(tmpdir(), 'nauti-ovn-pki-'));
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  const given = ['--cidr', '10.113.0.0/16', '--global-cidr', '10.112.0.0/12'];

  it('goes on with rotated files, and asks for the name of the certificate', async () => {
    const pki = await makePki(directory, 'ovn-nb.example');
    const port = await freePort();
    await using server = await startStandalone({
      schema: sharedFile('ovn/ovn-nb.ovsschema'),
      args: [
        ...[`--remote=pssl:${port}:127.0.0.1`, `--ca-cert=${pki.ca}`],
        ...[`--private-key=${pki.serverKey}`, `--certificate=${pki.serverCert}`],
      ],
    });
    const flags = [
      ...['--kubeconfig', world.plane.kubeconfig, ...given, '--ovn-nb', `ssl:127.0.0.1:${port}`],
      ...['--ovn-ca-file', pki.ca, '--ovn-cert-file', pki.clientCert, '--ovn-key-file', pki.clientKey],
    ];
    const suspicious = await ControllerProcess.start([...flags, '--ovn-server-name', 'other.example']);
    const controller = await ControllerProcess.start([
      ...flags,
      ...['--identity', 'believing', '--ovn-server-name', 'ovn-nb.example'],
    ]);
    try {
      const namespace = await world.namespace();
      await world.createPod(namespace, 'before');
      await world.allocated(namespace, 'before');
      await until(async () => (await suspicious.readiness()).includes('OVN'), {
        what: 'the wrong name being noticed',
        timeout: 60_000,
        detail: () => suspicious.readiness(),
      });
      // Another CA, and all certificates by it.
      await makePki(directory, 'ovn-nb.example');
      await server.kill();
      await server.start();
      await world.createPod(namespace, 'after');
      await world.allocated(namespace, 'after');
    } finally {
      await Promise.all([controller.kill(), suspicious.kill()]);
    }
  });

  it('does not start without the files', async () => {
    const controller = await ControllerProcess.start([...given, '--ovn-nb', 'ssl:127.0.0.1:6641']);
    expect(await controller.ended()).to.equal(2);
    expect(controller.log).to.contain('--ovn-ca-file, --ovn-cert-file and --ovn-key-file must be given');
  });
});
