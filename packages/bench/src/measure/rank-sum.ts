/** Whether two samples are of one distribution: the rank-sum test of Wilcoxon, Mann and Whitney. */
export type RankSum = {
  /** Share of pairs in which the value of the first sample is the larger one; 0.5 if neither tends to be. */
  readonly larger: number
  /** Two-sided: how likely a difference of ranks at least this large is if there is none. */
  readonly p: number
}

/**
 * Compares two samples by their ranks alone: latencies are not normal, and one slow call must not
 * decide. Normal approximation with the corrections for ties and for continuity, good from about 10
 * values on either side. Throws on an empty sample.
 */
export function rankSum(first: readonly number[], second: readonly number[]): RankSum {
  if (first.length === 0 || second.length === 0) throw new RangeError('a sample is empty')
  const all = [...first.map((value) => ({ value, of: 0 })), ...second.map((value) => ({ value, of: 1 }))].sort(
    (a, b) => a.value - b.value,
  )
  let rankOfFirst = 0
  let ties = 0
  for (let start = 0; start < all.length;) {
    let end = start
    while (end < all.length && all[end]?.value === all[start]?.value) end++
    // Ranks count from 1; those who share a value share the mean of their ranks.
    const rank = (start + 1 + end) / 2
    for (let at = start; at < end; at++) if (all[at]?.of === 0) rankOfFirst += rank
    ties += (end - start) ** 3 - (end - start)
    start = end
  }
  const [n, m] = [first.length, second.length]
  const u = rankOfFirst - (n * (n + 1)) / 2
  const variance = ((n * m) / 12) * (n + m + 1 - ties / ((n + m) * (n + m - 1)))
  const distance = Math.max(0, Math.abs(u - (n * m) / 2) - 0.5)
  const p = variance === 0 ? 1 : Math.min(1, complementaryError(distance / Math.sqrt(2 * variance)))
  return { larger: u / (n * m), p }
}

/** erfc for x >= 0: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26; error below 1.5e-7. */
function complementaryError(x: number): number {
  const t = 1 / (1 + 0.3275911 * x)
  const polynomial = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
  return polynomial * Math.exp(-x * x)
}
