import { createHash } from 'node:crypto';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { run } from './command.ts';
import { nameImages, openArchive, thinArchive } from './image-archive.ts';
import { writeImageLayout } from './image-layout.ts';
import { listTar } from './tar-file.ts';

const digestOf = (content: string | Buffer) => createHash('sha256').update(content).digest('hex');

describe('image archive', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nauti-archive-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  /** Sends an archive, unpacks what arrives with tar(1), and returns the contents of its files by name. */
  async function send(path: string, present: readonly string[]): Promise<Map<string, string>> {
    const chunks: Buffer[] = [];
    for await (const chunk of thinArchive(await openArchive(path), new Set(present))) chunks.push(chunk);
    const received = join(directory, 'received.tar');
    await writeFile(received, Buffer.concat(chunks));
    const names = (await run('tar', ['-tf', received]))
      .split('\n')
      .filter(name => name !== '' && !name.endsWith('/'));
    const contents = await Promise.all(names.map(name => run('tar', ['-xOf', received, name])));
    return new Map(names.map((name, at) => [name, contents[at] ?? '']));
  }

  async function tar(name: string, files: Readonly<Record<string, string>>): Promise<string> {
    const source = join(directory, `${name}-files`);
    await run('mkdir', ['-p', source]);
    for (const [file, content] of Object.entries(files)) await writeFile(join(source, file), content);
    const path = join(directory, `${name}.tar`);
    await run('tar', ['-cf', path, '-C', source, ...Object.keys(files)]);
    return path;
  }

  it('sends of an image layout what the receiver has not got', async () => {
    const layers = await Promise.all(['one', 'two'].map(name => tar(name, { [name]: name.repeat(1_000) })));
    await writeImageLayout(join(directory, 'layout'), [
      { reference: 'docker.io/a/b:1', layers, config: { command: ['x'] } },
    ]);
    const path = join(directory, 'image.tar');
    await run('tar', ['-cf', path, '-C', join(directory, 'layout'), '.']);
    const [one, two] = await Promise.all(layers.map(async layer => digestOf(await readFile(layer))));
    const all = await send(path, []);
    const thin = await send(path, [`sha256:${one}`]);
    expect([...all.keys()]).to.include.members([
      'oci-layout',
      'index.json',
      `blobs/sha256/${one}`,
      `blobs/sha256/${two}`,
    ]);
    expect([...thin.keys()].sort()).to.eql([...all.keys()].filter(name => !name.endsWith(`${one}`)).sort());
    expect(digestOf(all.get(`blobs/sha256/${two}`) ?? '')).to.equal(two);
    expect(
      JSON.parse(thin.get('index.json') ?? '').manifests[0].annotations['io.containerd.image.name'],
    ).to.equal('docker.io/a/b:1');
  });

  it('makes an image layout of a docker-archive whose files are named by digest', async () => {
    const layer = 'layer'.repeat(300);
    const config = JSON.stringify({ rootfs: { type: 'layers', diff_ids: [`sha256:${digestOf(layer)}`] } });
    const manifest = [
      {
        Config: `${digestOf(config)}.json`,
        RepoTags: ['localhost/a:dev'],
        Layers: [`${digestOf(layer)}.tar`],
      },
    ];
    const path = await tar('docker', {
      [`${digestOf(layer)}.tar`]: layer,
      [`${digestOf(config)}.json`]: config,
      'manifest.json': JSON.stringify(manifest),
    });
    const files = await send(path, [`sha256:${digestOf(layer)}`]);
    const [descriptor] = JSON.parse(files.get('index.json') ?? '').manifests;
    expect(descriptor.annotations).to.eql({ 'io.containerd.image.name': 'localhost/a:dev' });
    const sent = files.get(`blobs/${descriptor.digest.replace(':', '/')}`) ?? '';
    expect(`sha256:${digestOf(sent)}`).to.equal(descriptor.digest);
    expect(JSON.parse(sent).layers).to.eql([
      {
        mediaType: 'application/vnd.oci.image.layer.v1.tar',
        digest: `sha256:${digestOf(layer)}`,
        size: layer.length,
      },
    ]);
    expect(files.get(`blobs/sha256/${digestOf(config)}`)).to.equal(config);
    expect(files.has(`blobs/sha256/${digestOf(layer)}`)).to.equal(false);
  });

  it('sends an archive of another kind as it is', async () => {
    const path = await tar('old', {
      'manifest.json': JSON.stringify([{ Config: 'c.json', Layers: ['1'] }]),
      'c.json': '{}',
    });
    expect([...(await send(path, [])).keys()]).to.eql(['manifest.json', 'c.json']);
  });

  it('refuses what is no tar file', async () => {
    const path = join(directory, 'text');
    for (const text of ['', 'hello', 'x'.repeat(2_000)]) {
      await writeFile(path, text);
      let message = '';
      await openArchive(path).catch(error => {
        message = error.message;
      });
      expect(message, `${text.length} bytes`).to.contain('must be an uncompressed tar file');
    }
  });

  it('reads sizes and places as tar(1) writes them', async () => {
    const file = await open(await tar('three', { a: '', b: 'b'.repeat(512), c: 'c'.repeat(513) }));
    const entries = (await listTar(file)) ?? [];
    await file.close();
    expect(entries).to.eql([
      { name: 'a', size: 0, begin: 512 },
      { name: 'b', size: 512, begin: 1_024 },
      { name: 'c', size: 513, begin: 2_048 },
    ]);
  });

  it('gives a whole reference to containerd, but no bare tag', () => {
    const index = (name: string) =>
      JSON.stringify({ manifests: [{ annotations: { 'org.opencontainers.image.ref.name': name } }] });
    expect(nameImages(index('localhost/a:1'))).to.contain('"io.containerd.image.name":"localhost/a:1"');
    expect(nameImages(index('latest'))).not.to.contain('io.containerd');
    expect(nameImages('{}')).to.equal('{}');
  });
});
