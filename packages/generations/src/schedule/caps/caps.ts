import { LRUCache } from 'lru-cache'
import { Sketch } from './sketch.ts'

/** Whose answers are alike. */
export type Origin = { readonly tenant: string; readonly flow: string; readonly key: string; readonly model: string }

export type Caps = {
  /** The most that an answer is likely to have, in tokens; null while too few are known. */
  readonly cap: (origin: Origin) => number | null
  /** An answer that ended by itself, reasoning included. */
  readonly learn: (origin: Origin, completionTokens: number) => void
}

/** With fewer the 99th percentile of them says little about the next one. */
const ENOUGH = 30
const QUANTILE = 0.99
/** Room above what was seen: a cap that is met costs the whole generation once more. */
const HEADROOM = 1.25
/** Below this a cap saves nothing, and a short answer that varies would meet it. */
const LEAST_TOKENS = 64
/** Half a kilobyte each. */
const MAX_SKETCHES = 10_000

/**
 * How long answers become, learnt from those that were. A loop that is new begins with what its API key's
 * answers were like. Each replica learns for itself and forgets with its process.
 */
export function createCaps(): Caps {
  const sketches = new LRUCache<string, Sketch>({ max: MAX_SKETCHES })
  return {
    cap(origin) {
      const own = sketches.get(nameOf(origin, 'flow'))
      const known = own !== undefined && own.count >= ENOUGH ? own : sketches.get(nameOf(origin, 'key'))
      if (known === undefined || known.count < ENOUGH) return null
      return Math.max(LEAST_TOKENS, Math.ceil(known.quantile(QUANTILE) * HEADROOM))
    },
    learn(origin, completionTokens) {
      add(nameOf(origin, 'flow'), completionTokens)
      if (origin.flow !== origin.key) add(nameOf(origin, 'key'), completionTokens)
    },
  }

  function add(name: string, tokens: number): void {
    let sketch = sketches.get(name)
    if (sketch === undefined) sketches.set(name, (sketch = new Sketch()))
    sketch.add(tokens)
  }
}

const nameOf = (origin: Origin, of: 'flow' | 'key'): string => [origin.tenant, origin.model, of, origin[of]].join('\n')
