import { readdir, readFile } from 'node:fs/promises';

/** CPU seconds and resident bytes of a process since it began. */
export interface Usage {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
}

/** Linux' unit of CPU time in /proc, seconds. */
const tick = 1 / 100;
const pageBytes = 4096;

export async function usageOf(pid: number): Promise<Usage> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name in parentheses may hold anything; what follows is numbers.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [user = 0, system = 0] = fields.slice(11, 13);
  return { cpuSeconds: (user + system) * tick, rssBytes: (fields[21] ?? 0) * pageBytes };
}

/** All processes whose command line has this text in it. */
export async function processesWith(
  text: string,
): Promise<{ readonly pid: number; readonly program: string }[]> {
  const found: { pid: number; program: string }[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    const line = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '');
    if (line.includes(text))
      found.push({ pid: Number(entry), program: line.split('\0')[0]?.split('/').at(-1) ?? '' });
  }
  return found;
}

/** CPU seconds that all processes of the machine have used together. */
export async function machineCpuSeconds(): Promise<number> {
  const [line = ''] = (await readFile('/proc/stat', 'utf8')).split('\n', 1);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line.split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + softirq) * tick;
}
