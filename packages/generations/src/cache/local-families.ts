import { familyOf, sampleOf } from '@loopgate/cache-key'
import type { VerdictRecord } from '@loopgate/contracts'
import { LRUCache } from 'lru-cache'

type Sample = { readonly expiresAt: number; verdict: VerdictRecord | null }
type Family = { readonly samples: Map<number, Sample>; next: number }

/** Requests whose samples are remembered, and samples of each; beyond that the oldest are forgotten. */
const FAMILIES = 10_000
const SAMPLES = 1000

/** What this process alone knows of samples: all there is without Redis, what was stored while it is away. */
export function createLocalFamilies(now: () => number, random: () => number) {
  const families = new LRUCache<string, Family>({ max: FAMILIES })

  return {
    stored(key: string, lifeMs: number): void {
      const { samples } = made(familyOf(key))
      samples.delete(sampleOf(key))
      samples.set(sampleOf(key), { expiresAt: now() + lifeMs, verdict: null })
      const [oldest] = samples.keys()
      if (samples.size > SAMPLES && oldest !== undefined) samples.delete(oldest)
    },
    choose(family: string, among: 'any' | 'best'): number | null {
      const found = living(family).filter(([, { verdict }]) => among === 'any' || verdict?.verdict === 'pass')
      return found[Math.floor(random() * found.length)]?.[0] ?? null
    },
    unused(family: string): number {
      const used = new Set(living(family).map(([index]) => index))
      let index = 0
      while (used.has(index)) index++
      return index
    },
    fresh(family: string, first: number): number {
      const found = made(family)
      while (found.samples.has(first + found.next)) found.next++
      return first + found.next++
    },
    judge(key: string, verdict: VerdictRecord): boolean {
      const sample = sampleAt(key)
      if (sample === undefined) return false
      sample.verdict = verdict
      return true
    },
    verdict: (key: string): VerdictRecord | null => sampleAt(key)?.verdict ?? null,
    forget(key: string): void {
      families.get(familyOf(key))?.samples.delete(sampleOf(key))
    },
  }

  function made(family: string): Family {
    const found = families.get(family) ?? { samples: new Map(), next: 0 }
    families.set(family, found)
    return found
  }

  function living(family: string): [number, Sample][] {
    return [...(families.get(family)?.samples ?? [])].filter(([, { expiresAt }]) => expiresAt > now())
  }

  function sampleAt(key: string): Sample | undefined {
    const sample = families.get(familyOf(key))?.samples.get(sampleOf(key))
    return sample !== undefined && sample.expiresAt > now() ? sample : undefined
  }
}
