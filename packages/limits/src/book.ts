import type { SpendLimits } from '@loopgate/contracts'
import type { Amount, Ask, Kind, LimitName, Refusal, Usage } from './types.ts'

/** Minutes are counted in steps of this: a request counts for 60 to 65 s, never less. */
const STEP_MS = 5_000
const WINDOW_MS = 60_000
const DAY_MS = 86_400_000
/** Something under way has to end first, and nobody knows when: the soonest that is worth asking again. */
const SOON_MS = 1_000

type Held = Ask & { readonly until: number }
type Spent = { tokens: number; microUsd: number }

/**
 * What one key or tenant has used and holds: the rules of the limits without Redis. The scripts do
 * the same, and the tests hold the two against each other; it counts by itself while Redis is away.
 * Times are wall-clock ms.
 */
export class Book {
  readonly #steps = new Map<number, { requests: number; tokens: number }>()
  readonly #held = new Map<string, Held>()
  #day = 0
  #today: Spent = { tokens: 0, microUsd: 0 }
  #ever: Spent = { tokens: 0, microUsd: 0 }

  /** Which limit refuses this, if any; nothing is changed but what has lapsed. */
  refusal(limits: SpendLimits, ask: Ask, now: number): Refusal | null {
    const used = this.usage(now)
    const { reserved } = used
    const midnight = (Math.floor(now / DAY_MS) + 1) * DAY_MS - now
    const running = ask.kind === 'generation' ? reserved.generations : reserved.executions
    const checks: readonly (readonly [LimitName, number, number, () => number | null])[] = [
      ['requestsPerMinute', used.minute.requests, 1, () => this.#freesIn(limits.requestsPerMinute, 'requests', 1, now)],
      [
        'tokensPerMinute',
        used.minute.tokens + reserved.tokens,
        ask.tokens,
        () => this.#freesIn(limits.tokensPerMinute, 'tokens', ask.tokens, now),
      ],
      [ask.kind === 'generation' ? 'concurrentGenerations' : 'concurrentExecutions', running, 1, () => SOON_MS],
      ['tokensPerDay', used.day.tokens + reserved.tokens, ask.tokens, () => midnight],
      ['microUsdPerDay', used.day.microUsd + reserved.microUsd, ask.microUsd, () => midnight],
      ['tokensTotal', used.total.tokens + reserved.tokens, ask.tokens, () => null],
      ['microUsdTotal', used.total.microUsd + reserved.microUsd, ask.microUsd, () => null],
    ]
    for (const [limit, so, more, frees] of checks) {
      const most = limits[limit]
      // Whoever asks for nothing of it is not in its way, though others have passed it.
      if (most === undefined || more === 0 || so + more <= most) continue
      return { limit, freesInMs: more > most ? null : frees() }
    }
    return null
  }

  /** Takes what was asked for; the caller has made sure that nothing refuses it. */
  reserve(id: string, ask: Ask, until: number, now: number): void {
    this.#step(now).requests++
    this.#held.set(id, { ...ask, until })
  }

  /** Gives back what was held and counts what was used; nothing if the lease has lapsed, and was counted, before. */
  settle(id: string, used: Amount, now: number): void {
    this.#lapse(now)
    if (this.#held.delete(id)) this.count(used, now)
  }

  renew(id: string, until: number, now: number): void {
    this.#lapse(now)
    const held = this.#held.get(id)
    if (held !== undefined) this.#held.set(id, { ...held, until })
  }

  count({ tokens, microUsd }: Amount, now: number): void {
    this.#turn(now)
    if (tokens > 0) this.#step(now).tokens += tokens
    for (const spent of [this.#today, this.#ever]) {
      spent.tokens += tokens
      spent.microUsd += microUsd
    }
  }

  usage(now: number): Usage {
    this.#lapse(now)
    this.#turn(now)
    const reserved = { tokens: 0, microUsd: 0, generations: 0, executions: 0 }
    for (const { kind, tokens, microUsd } of this.#held.values()) {
      reserved.tokens += tokens
      reserved.microUsd += microUsd
      reserved[plural(kind)]++
    }
    const minute = { requests: 0, tokens: 0 }
    for (const { requests, tokens } of this.#steps.values()) {
      minute.requests += requests
      minute.tokens += tokens
    }
    return { minute, day: { ...this.#today }, total: { ...this.#ever }, reserved }
  }

  /** A lease that nobody renewed: whoever held it is gone, and what it did cannot be known, so all of it counts. */
  #lapse(now: number): void {
    for (const [id, held] of this.#held) {
      if (held.until > now) continue
      this.#held.delete(id)
      this.count(held, now)
    }
  }

  #turn(now: number): void {
    const day = Math.floor(now / DAY_MS)
    if (day !== this.#day) this.#today = { tokens: 0, microUsd: 0 }
    this.#day = day
    const oldest = Math.floor((now - WINDOW_MS) / STEP_MS)
    for (const step of this.#steps.keys()) if (step < oldest) this.#steps.delete(step)
  }

  #step(now: number): { requests: number; tokens: number } {
    const index = Math.floor(now / STEP_MS)
    const step = this.#steps.get(index) ?? { requests: 0, tokens: 0 }
    this.#steps.set(index, step)
    return step
  }

  /** When enough of what was used has gone out of the window; what is held may still stand in the way then. */
  #freesIn(most: number | undefined, what: 'requests' | 'tokens', more: number, now: number): number {
    let over = more - (most ?? 0)
    for (const step of this.#steps.values()) over += step[what]
    if (what === 'tokens') for (const { tokens } of this.#held.values()) over += tokens
    for (const [index, step] of [...this.#steps].sort(([a], [b]) => a - b)) {
      over -= step[what]
      if (over <= 0) return (index + 1) * STEP_MS + WINDOW_MS - now
    }
    return SOON_MS
  }
}

const plural = (kind: Kind): 'generations' | 'executions' => (kind === 'generation' ? 'generations' : 'executions')
