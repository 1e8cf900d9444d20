/** The images that every node has from its start, and which files they are made of. */
import { createHash } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { corednsImage } from './cluster-dns.ts';
import { run } from './command.ts';
import type { Image } from './image-layout.ts';
import { pauseImage } from './node-plan.ts';
import { ensureRootFileSystem, type RootFileSystemOptions } from './root-file-system.ts';
import { cacheDirectory, checkout, toolPath } from './tools.ts';

/** What the product's image needs of Debian; the project's Dockerfile names the same packages. */
export const basePackages: readonly string[] = [
  'ca-certificates',
  'conntrack',
  'ethtool',
  'iproute2',
  'libstdc++6',
  'nftables',
  'openvswitch-switch',
  'ovn-central',
  'ovn-host',
  'procps',
  'wireguard-go',
  'wireguard-tools',
];

/** What people and tests use in pods, and nginx. */
export const toolboxPackages: readonly string[] = [
  'bind9-dnsutils',
  'ca-certificates',
  'catatonit',
  'curl',
  'iperf3',
  'iproute2',
  'iputils-ping',
  'netcat-openbsd',
  'nginx-light',
  'procps',
  'tcpdump',
];

export const baseImage = 'localhost/nauti-base:trixie';

type Progress = Omit<RootFileSystemOptions, 'packages'>;

/** The image that the product's own is built on: Debian's packages, and Node as npm installed it for this checkout. */
export async function describeBaseImage(progress: Progress): Promise<Image> {
  const debian = await ensureRootFileSystem({ ...progress, packages: basePackages });
  const node = await ensureFileLayer({
    '/usr/local/bin/node': join(checkout, 'node_modules', 'node', 'bin', 'node'),
  });
  return { reference: baseImage, layers: [debian, node], config: { command: ['/bin/bash'] } };
}

/** All images of a node's start. The references are those that a pod's `image: nauti-lab/nginx:1` means. */
export async function describeNodeImages(progress: Progress): Promise<Image[]> {
  const [base, toolbox] = await Promise.all([
    describeBaseImage(progress),
    ensureRootFileSystem({ ...progress, packages: toolboxPackages }),
  ]);
  const coredns = await ensureFileLayer({ '/coredns': realpathSync(toolPath('coredns')) });
  const nginx = await ensureTextLayer('nginx', { '/etc/nginx/nginx.conf': nginxConfiguration });
  return [
    base,
    {
      reference: `docker.io/${pauseImage}`,
      layers: [toolbox],
      config: { entrypoint: ['/usr/bin/catatonit', '-P'] },
    },
    {
      reference: 'docker.io/nauti-lab/toolbox:1',
      layers: [toolbox],
      config: { entrypoint: ['/usr/bin/catatonit', '--'], command: ['sleep', 'infinity'] },
    },
    {
      reference: 'docker.io/nauti-lab/nginx:1',
      layers: [toolbox, nginx],
      config: { entrypoint: ['/usr/sbin/nginx', '-g', 'daemon off;'], ports: ['80/tcp'] },
    },
    { reference: `docker.io/${corednsImage}`, layers: [coredns], config: { entrypoint: ['/coredns'] } },
  ];
}

const nginxConfiguration = `user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /dev/stderr;
events { worker_connections 1024; }
http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  access_log /dev/stdout;
  server {
    listen 80 default_server;
    listen [::]:80 default_server;
    root /usr/share/nginx/html;
  }
}
`;

/** A layer of files of this machine, by their path in the image. */
async function ensureFileLayer(files: Readonly<Record<string, string>>): Promise<string> {
  const hash = createHash('sha256');
  for (const [path, source] of Object.entries(files)) hash.update(`${path}\n`).update(await readFile(source));
  const name = basename(Object.keys(files)[0] ?? 'files');
  return ensureLayer(`${name}-${hash.digest('hex').slice(0, 12)}`, async directory => {
    for (const [path, source] of Object.entries(files)) await copyFile(source, await place(directory, path));
  });
}

/** A layer of short files, given as text. */
function ensureTextLayer(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(files)).digest('hex').slice(0, 12);
  return ensureLayer(`${name}-${hash}`, async directory => {
    for (const [path, text] of Object.entries(files)) await writeFile(await place(directory, path), text);
  });
}

async function place(directory: string, path: string): Promise<string> {
  const target = join(directory, path);
  await mkdir(dirname(target), { recursive: true });
  return target;
}

async function ensureLayer(name: string, fill: (directory: string) => Promise<void>): Promise<string> {
  const tar = join(cacheDirectory(), 'images', `layer-${name}.tar`);
  if (existsSync(tar)) return tar;
  const scratch = `${tar}.${process.pid}`;
  await mkdir(scratch, { recursive: true });
  try {
    await fill(scratch);
    await run('tar', [
      ...['--create', `--file=${scratch}.tar`, `--directory=${scratch}`, '--sort=name', '--mtime=@0'],
      ...['--owner=0', '--group=0', '--numeric-owner', '.'],
    ]);
    await rename(`${scratch}.tar`, tar);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return tar;
}
