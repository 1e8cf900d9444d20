/** The parts of a tar file (POSIX ustar) that image archives are made of: where its entries are, and new ones. */
import type { FileHandle } from 'node:fs/promises';

export interface TarEntry {
  readonly name: string;
  /** Offset of its content in the file, in bytes. */
  readonly begin: number;
  readonly size: number;
}

const block = 512;

/** The entries of a tar file. @returns undefined where it is none. */
export async function listTar(file: FileHandle): Promise<TarEntry[] | undefined> {
  const entries: TarEntry[] = [];
  const header = Buffer.alloc(block);
  for (let at = 0; ; ) {
    const { bytesRead } = await file.read(header, 0, block, at);
    if (bytesRead < block) return entries.length > 0 ? entries : undefined;
    if (header.every(byte => byte === 0)) return entries;
    const parsed = parseTarHeader(header);
    if (parsed === undefined) return undefined;
    entries.push({ ...parsed, begin: at + block });
    at += block + padded(parsed.size);
  }
}

/** @returns undefined where the checksum is wrong. */
export function parseTarHeader(header: Buffer): Omit<TarEntry, 'begin'> | undefined {
  const text = (from: number, length: number) =>
    header.toString('latin1', from, from + length).split('\0', 1)[0] ?? '';
  const octal = (from: number, length: number) => Number.parseInt(text(from, length).trim() || '0', 8);
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  const size = octal(124, 12);
  if (sum !== octal(148, 8) || Number.isNaN(size)) return undefined;
  return { name: text(0, 100).replace(/^\.\//, ''), size };
}

/** The header of a regular file, and the zeros that follow its content. */
export function tarEntry(name: string, size: number): { header: Buffer; padding: Buffer } {
  const header = Buffer.alloc(block);
  header.write(name, 0, 100, 'latin1');
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write(' '.repeat(8), 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return { header, padding: Buffer.alloc(padded(size) - size) };
}

/** Two blocks of zeros end a tar file. */
export const tarEnd: Buffer = Buffer.alloc(2 * block);

function padded(size: number): number {
  return Math.ceil(size / block) * block;
}
