import type { Fallback } from '@loopgate/cerebras'
import type { LoopgateError } from '@loopgate/service-kit'
import type { Entry } from '../cache/entry.ts'
import type { Caller } from './caller.ts'
import type { LeadDeps } from './lead.ts'

/** The fallbacks of one call, each tried once, in the operator's order. */
export class FallbackTour {
  /** Why the upstream itself has not answered; null if it was not asked. */
  readonly first: LoopgateError | null
  current: Fallback | null = null
  readonly #deps: Pick<LeadDeps, 'upstream' | 'recall' | 'standIn'>
  readonly #ordered: Pick<Caller, 'call' | 'place'>
  readonly #tried: string[] = []

  constructor(
    deps: Pick<LeadDeps, 'upstream' | 'recall' | 'standIn'>,
    ordered: Pick<Caller, 'call' | 'place'>,
    first: LoopgateError | null,
  ) {
    this.#deps = deps
    this.#ordered = ordered
    this.first = first
  }

  next(model: string): Fallback | null {
    const found = this.#deps.upstream.fallback(model, this.#tried)
    if (found === null) return null
    this.#tried.push(found.name)
    this.current = found
    return found
  }

  /** What this fallback has answered to the same call before, if the caller takes stored answers. */
  stored(fallback: Fallback, found: (entry: Entry | null) => void): void {
    const { recall, standIn } = this.#deps
    const { call, place } = this.#ordered
    const { noCache, maxAgeSeconds } = call.freshness
    if (place === null || noCache) return found(null)
    const { key } = standIn(place, fallback)
    const near = recall.near(key, maxAgeSeconds)
    if (near !== null) return found(near)
    recall.far(key, maxAgeSeconds).then(found, () => found(null))
  }
}
