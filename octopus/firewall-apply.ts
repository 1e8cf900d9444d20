import type { FirewallPlan } from './firewall.ts';
import { runProgram } from './run-program.ts';

/** Keeps the rules in the kernel as planned. */
export class Firewall {
  /** What was planned, and how the kernel listed it then. */
  #applied: { readonly ruleset: string; readonly listing: Promise<string | undefined> } | undefined;

  /**
   * Replaces the table, in one transaction, where the plan is another one or somebody changed the rules.
   *
   * @returns whether it did.
   */
  async apply({ table, ruleset }: FirewallPlan, signal: AbortSignal): Promise<boolean> {
    if (this.#applied?.ruleset === ruleset && (await this.#isAsApplied(table, signal))) return false;
    await runProgram('nft', ['-f', '-'], { input: ruleset, signal });
    // Nobody has to wait for it: it is compared with the next time.
    this.#applied = { ruleset, listing: list(table, signal).catch(() => undefined) };
    return true;
  }

  async #isAsApplied(table: string, signal: AbortSignal): Promise<boolean> {
    const [before, now] = await Promise.all([this.#applied?.listing, list(table, signal)]);
    return before !== undefined && before === now;
  }

  forget(): void {
    this.#applied = undefined;
  }
}

/** Without counters, which change by themselves. */
async function list(table: string, signal: AbortSignal): Promise<string | undefined> {
  return await runProgram('nft', ['--stateless', 'list', 'table', 'inet', table], { signal }).catch(() => {
    signal.throwIfAborted();
    return undefined;
  });
}

/** Takes the rules away; nothing where there are none. */
export async function deleteTable(): Promise<void> {
  await runProgram('nft', ['-f', '-'], {
    input: 'table inet nauti_octopus {}\ndelete table inet nauti_octopus\n',
  }).catch(() => undefined);
}
