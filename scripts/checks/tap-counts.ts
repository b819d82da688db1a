/** What a TAP file says of the run. */
export type Counts = {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly files: readonly string[]
  /** The failed assertions, innermost only, each with its file and what tap says of it. */
  readonly failures: readonly string[]
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
  const failures = failuresOf(tap.split('\n'))
  return { passed: member('pass'), failed: member('fail'), skipped: member('skip') + member('todo'), files, failures }
}

const MAX_DIAGNOSTIC_LINES = 25

/** A failed subtest is told after what failed in it, one level out, and says nothing of its own. */
function failuresOf(lines: readonly string[]): string[] {
  const failures: string[] = []
  let file = ''
  let lastDepth = 0
  for (const [at, line] of lines.entries()) {
    file = /^# Subtest: (.+)$/.exec(line)?.[1] ?? file
    const depth = /^( *)not ok /.exec(line)?.[1]?.length
    if (depth === undefined) continue
    if (depth >= lastDepth) {
      const end = lines.findIndex((later, index) => index > at && later.trim() === '...')
      const told = lines[at + 1]?.trim() === '---'
      const says = told ? lines.slice(at + 2, Math.min(end, at + 2 + MAX_DIAGNOSTIC_LINES)) : []
      failures.push([`${file}: ${line.trim()}`, ...says].join('\n'))
    }
    lastDepth = depth
  }
  return failures
}
