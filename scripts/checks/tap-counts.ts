/** What a TAP file says of the run. */
export type Counts = {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly files: readonly string[]
}

/**
 * Reads the counts that tap printed (`# { total: 12, pass: 10, fail: 1, skip: 1 }`; members of value
 * 0 are left out) and the names of the test files that ran (top-level `# Subtest:` lines).
 * @throws Error if there is no count line: a run that tells nothing is not a pass
 */
export function readTap(tap: string): Counts {
  const count = [...tap.matchAll(/^# \{ (.*) \}$/gm)].at(-1)?.[1]
  if (count === undefined) throw new Error('the TAP output holds no line of counts')
  const member = (name: string): number => Number(new RegExp(`\\b${name}: (\\d+)`).exec(count)?.[1] ?? 0)
  const files = [...tap.matchAll(/^# Subtest: (.+)$/gm)].map((match) => match[1] as string)
  return { passed: member('pass'), failed: member('fail'), skipped: member('skip') + member('todo'), files }
}
