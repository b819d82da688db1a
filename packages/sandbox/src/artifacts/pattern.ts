/** Whether a path of the working folder is meant by one of the patterns of a request. */
export type PathFilter = (path: string) => boolean

/** `*` and `?` stand for characters of one name, `**` for any number of folders, at the end for all below. */
export function pathFilter(patterns: readonly string[]): PathFilter {
  const split = patterns.map((pattern) => pattern.split('/'))
  return (path) => {
    const parts = path.split('/')
    return split.some((pattern) => matches(pattern, parts, '**', matchesName))
  }
}

const matchesName = (pattern: string, name: string): boolean =>
  matches(
    Array.from(pattern),
    Array.from(name),
    '*',
    (expected, character) => expected === '?' || expected === character,
  )

/**
 * Matches a sequence against a pattern in which `any` stands for any number of items. Only the latest `any` is
 * ever tried again, which suffices, so the time is at most the product of the lengths: both the pattern and the
 * names are chosen by strangers, and a regular expression would take its time.
 */
function matches<T>(
  pattern: readonly T[],
  items: readonly T[],
  any: T,
  isMatch: (expected: T, item: T) => boolean,
): boolean {
  let [p, i] = [0, 0]
  let retry: { p: number; i: number } | null = null
  while (i < items.length) {
    const [expected, item] = [pattern[p], items[i] as T]
    if (expected === any) {
      retry = { p: p + 1, i }
      p += 1
    } else if (expected !== undefined && isMatch(expected, item)) {
      p += 1
      i += 1
    } else if (retry !== null) {
      retry = { p: retry.p, i: retry.i + 1 }
      p = retry.p
      i = retry.i
    } else return false
  }
  while (pattern[p] === any) p += 1
  return p === pattern.length
}
