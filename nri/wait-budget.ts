/**
 * How long the start of a pod may wait for something.
 *
 * The runtime calls its plugins for one pod at a time: what one waits, all others wait too. So after a wait in vain
 * nobody waits any more, until what was waited for is seen to come again, for any pod.
 */
export class WaitBudget {
  readonly #longestMs: number;
  #inVain = false;

  constructor(longestMs: number) {
    this.#longestMs = longestMs;
  }

  get milliseconds(): number {
    return this.#inVain ? 0 : this.#longestMs;
  }

  wasInVain(): void {
    this.#inVain = true;
  }

  wasOfUse(): void {
    this.#inVain = false;
  }
}
