export interface Failure {
  /** In full, with the names of its suites. */
  readonly title: string;
  readonly message: string;
}

/** What a suite of tests came to. */
export interface SuiteResult {
  readonly passed: number;
  readonly failed: number;
  readonly failures: readonly Failure[];
}

/** The environment variable that names the file in which a suite leaves its result. */
export const resultVariable = 'NAUTI_TEST_RESULT';

/** Reads what the reporter wrote; undefined where a suite died before it could write all of it. */
export function readSuiteResult(text: string): SuiteResult | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isSuiteResult(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isSuiteResult(value: unknown): value is SuiteResult {
  if (typeof value !== 'object' || value === null) return false;
  const { passed, failed, failures } = value as Record<string, unknown>;
  return Number.isInteger(passed) && Number.isInteger(failed) && Array.isArray(failures);
}
