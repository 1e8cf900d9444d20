import { eventually } from './eventually.ts';
import { longestGap, losses } from './ping-losses.ts';
import { run, type Toolbox } from './toolbox.ts';

/** A ping that runs by itself in a pod, whatever becomes of its node's kubelet and container runtime. */
export interface PodPing {
  /** How many were answered until now. */
  readonly answered: () => Promise<number>;
  /** Ends it. What was still on its way is no loss. */
  readonly end: () => Promise<PingResult>;
}

export interface PingResult {
  readonly answered: number;
  readonly lost: readonly number[];
  /** The most in a row that were lost. */
  readonly row: number;
}

const file = '/tmp/ping';

/** Pings every 10 ms. Not through the exec's own streams: those end with the kubelet that carries them. */
export async function startPodPing(toolbox: Toolbox, address: string): Promise<PodPing> {
  const { code, stderr } = await run(
    toolbox,
    ...['sh', '-c', `setsid sh -c 'ping -n -i 0.01 ${address}; echo ended' > ${file} 2>&1 < /dev/null &`],
  );
  if (code !== 0) throw new Error(`Cannot start a ping in ${toolbox.name}: ${stderr}`);
  const read = async () => {
    const { answer } = await eventually(
      `what the ping in ${toolbox.name} wrote`,
      60_000,
      () => run(toolbox, 'cat', file),
      answer => answer.code === 0,
    );
    return losses(answer.stdout);
  };
  return {
    answered: async () => (await read()).answered,
    end: async () => {
      await eventually(
        `the ping in ${toolbox.name} ending`,
        60_000,
        () => run(toolbox, 'sh', '-c', `pkill -INT -x ping; tail -n 1 ${file}`),
        ({ stdout }) => stdout === 'ended\n',
      );
      const { answered, lost } = await read();
      return { answered, lost, row: longestGap(lost) };
    },
  };
}
