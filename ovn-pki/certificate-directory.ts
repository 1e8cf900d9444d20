/** Where a certificate is kept: a link that changes all of its files at once, as programs read them one by one. */
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type CertificateFiles, certificateFiles } from './certificate-state.ts';

const link = 'current';
const generation = 'generation-';

/** Undefined where one of them is missing. */
export async function readCertificateFiles(directory: string): Promise<CertificateFiles | undefined> {
  try {
    const entries = await Promise.all(
      Object.entries(certificateFiles).map(async ([part, name]) => [
        part,
        await readFile(join(directory, link, name), 'utf8'),
      ]),
    );
    return Object.fromEntries(entries) as CertificateFiles;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Replaces all of them at once; a crash in between leaves those that were there. */
export async function writeCertificateFiles(directory: string, files: CertificateFiles): Promise<void> {
  await mkdir(directory, { recursive: true });
  const fresh = await mkdtemp(join(directory, generation));
  for (const [part, name] of Object.entries(certificateFiles)) {
    await writeFile(join(fresh, name), files[part as keyof CertificateFiles], { mode: 0o600 });
  }
  const before = await readlink(join(directory, link)).catch(() => undefined);
  const made = join(directory, `${basename(fresh)}.link`);
  await symlink(basename(fresh), made);
  await rename(made, join(directory, link));
  // The one before stays until the next time: a program may have read only its certificate yet.
  for (const name of await readdir(directory)) {
    if (name.startsWith(generation) && name !== basename(fresh) && name !== before)
      await rm(join(directory, name), { recursive: true, force: true });
  }
}
