const width = 20;

/** A bar of fixed length, and the numbers: `█████░░░░░░░░░░░░░░░ 1/4`. */
export function bar(done: number, total: number): string {
  const share = total === 0 ? 1 : Math.min(1, Math.max(0, done / total));
  const filled = Math.floor(share * width);
  return `${'█'.repeat(filled)}${'░'.repeat(width - filled)} ${done}/${total}`;
}
