import { type ChildProcess, spawn } from 'node:child_process';
import { access } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../process/log.ts';
import { ProgramError, runProgram } from './run-program.ts';

export type Implementation = 'kernel' | 'wireguard-go';

/** A device that exists and takes commands of `wg`. */
export interface WireGuardDevice {
  readonly name: string;
  readonly implementation: Implementation;
  /** It was there before. */
  readonly isAdopted: boolean;
  /** Resolves when the device is lost: its program ended. Never for the kernel's. */
  readonly lost: Promise<void>;
  /** Takes the device away. */
  remove(): Promise<void>;
}

export interface OpenDeviceOptions {
  readonly name: string;
  /** `auto` takes the kernel's WireGuard where there is one. */
  readonly want: Implementation | 'auto';
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** wireguard-go needs some 20 ms; this is for a machine that is busy. Milliseconds. */
const startLimitMs = 10_000;

/**
 * Makes the tunnel device, or takes the one that is there.
 *
 * @throws Error that says what the machine lacks.
 */
export async function openDevice(options: OpenDeviceOptions): Promise<WireGuardDevice> {
  const { name, want, log, signal } = options;
  const found = await kindOf(name, signal);
  if (found !== undefined) {
    const implementation: Implementation = found === 'wireguard' ? 'kernel' : 'wireguard-go';
    const isAlive = await runProgram('wg', ['show', name, 'dump'], { signal }).then(
      () => true,
      () => false,
    );
    if (isAlive && (want === 'auto' || want === implementation)) {
      log.info({ device: name, implementation }, 'tunnel device adopted');
      return {
        name,
        implementation,
        isAdopted: true,
        lost: new Promise(() => {}),
        remove: () => removeDevice(name),
      };
    }
    await removeDevice(name);
  }
  if (want !== 'wireguard-go') {
    const problem = await makeInKernel(name, signal);
    if (problem === undefined) {
      log.info({ device: name, implementation: 'kernel' }, 'tunnel device made');
      return {
        name,
        implementation: 'kernel',
        isAdopted: false,
        lost: new Promise(() => {}),
        remove: () => removeDevice(name),
      };
    }
    if (want === 'kernel') throw problem;
    log.info(
      { device: name, because: problem.stderr.trim() },
      'the kernel has no WireGuard, wireguard-go is used',
    );
  }
  const device = await startProgram(name, signal);
  log.info({ device: name, implementation: 'wireguard-go' }, 'tunnel device made');
  return device;
}

/** Takes a device away that a former life has left. Nothing where there is none. */
export async function removeDevice(name: string): Promise<void> {
  if ((await kindOf(name)) === undefined) return;
  await runProgram('ip', ['link', 'delete', 'dev', name]).catch(error => {
    // The program that held it may have ended just now, and the device with it.
    if (!(error instanceof ProgramError && /Cannot find device/.test(error.stderr))) throw error;
  });
}

/** What a device is, as the kernel says it: `wireguard`, `tun`; undefined where there is none. */
async function kindOf(name: string, signal?: AbortSignal): Promise<string | undefined> {
  const text = await runProgram('ip', ['-j', '-d', 'link', 'show', 'dev', name], { signal }).catch(error => {
    if (error instanceof ProgramError && error.code !== undefined) return '';
    throw error;
  });
  if (text.trim() === '') return undefined;
  const [link] = JSON.parse(text) as { linkinfo?: { info_kind?: string } }[];
  return link?.linkinfo?.info_kind ?? 'unknown';
}

async function makeInKernel(name: string, signal: AbortSignal): Promise<ProgramError | undefined> {
  try {
    await runProgram('ip', ['link', 'add', 'dev', name, 'type', 'wireguard'], { signal });
    return undefined;
  } catch (error) {
    if (error instanceof ProgramError && error.code !== undefined) return error;
    throw error;
  }
}

/** In the foreground, so that its end is noticed; it ends with us, also where we are killed. */
async function startProgram(name: string, signal: AbortSignal): Promise<WireGuardDevice> {
  await access('/dev/net/tun').catch(cause => {
    throw new Error(
      'Cannot make a tunnel device as the kernel must have WireGuard, or /dev/net/tun must be there',
      { cause },
    );
  });
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'wireguard-go', '--foreground', name], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env.PATH, LOG_LEVEL: 'error', WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD: '1' },
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2_000);
  });
  const lost = new Promise<void>(resolve => {
    child.once('error', error => {
      said += error.message;
      resolve();
    });
    child.once('exit', () => resolve());
  });
  const startedAt = performance.now();
  while (!(await answers(name, signal))) {
    const hasEnded = child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
    if (hasEnded || performance.now() - startedAt > startLimitMs) {
      child.kill('SIGKILL');
      throw new Error(
        `Cannot make a tunnel device as wireguard-go must run: ${said.trim().split('\n').at(-1) ?? ''}`,
      );
    }
    await sleep(10, undefined, { signal });
  }
  return {
    name,
    implementation: 'wireguard-go',
    isAdopted: false,
    lost,
    remove: () => endProgram(child, lost, name),
  };
}

async function answers(name: string, signal: AbortSignal): Promise<boolean> {
  return await runProgram('wg', ['show', name, 'dump'], { signal }).then(
    () => true,
    error => {
      if (error instanceof ProgramError && error.code !== undefined) return false;
      throw error;
    },
  );
}

async function endProgram(child: ChildProcess, lost: Promise<void>, name: string): Promise<void> {
  child.kill('SIGTERM');
  await lost;
  await removeDevice(name);
}
