/**
 * Which packets of `ping` (without -q) were not answered though a later one was: what was still on its way when the ping was
 * ended is no loss.
 *
 * @returns how many were answered, and the sequence numbers of those that were not.
 */
export function losses(output: string): { readonly answered: number; readonly lost: readonly number[] } {
  const numbers = new Set<number>();
  let turns = 0;
  let last = 0;
  // The number has 16 bits.
  for (const [, text] of output.matchAll(/bytes from .*icmp_seq=(\d+) .*time=/g)) {
    const number = Number(text);
    if (number < last - 32_768) turns++;
    else if (number > last + 32_768) turns--;
    last = number;
    numbers.add(turns * 65_536 + number);
  }
  let highest = 0;
  for (const number of numbers) highest = Math.max(highest, number);
  const lost: number[] = [];
  for (let number = 1; number < highest; number++) if (!numbers.has(number)) lost.push(number);
  return { answered: numbers.size, lost };
}

/** The most packets in a row that were lost. */
export function longestGap(lost: readonly number[]): number {
  let longest = 0;
  let row = 0;
  for (const [index, number] of lost.entries()) {
    row = number - 1 === lost[index - 1] ? row + 1 : 1;
    longest = Math.max(longest, row);
  }
  return longest;
}
