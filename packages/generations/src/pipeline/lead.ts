import type { Fallback, Retries, Upstream } from '@loopgate/cerebras'
import type { Clock } from '@loopgate/service-kit'
import type { Flight } from '../flight/flight.ts'
import type { Caps } from '../schedule/caps/caps.ts'
import type { Scheduler } from '../schedule/scheduler.ts'
import type { Entry } from '../cache/entry.ts'
import type { Caller } from './caller.ts'
import type { Place } from './identify.ts'
import type { Recall } from './recall.ts'
import { Errand } from './errand.ts'

export type LeadDeps = {
  readonly upstream: Upstream
  readonly clock: Clock
  readonly recall: Recall
  /** Where the answer of a fallback belongs. */
  readonly standIn: (place: Place, fallback: Fallback) => Place
  /** Gives a stored answer to a flight. */
  readonly serve: (flight: Flight, entry: Entry, fallback?: Fallback) => void
  /** Repetitions of failed calls, within a budget. */
  readonly retries: Retries
  readonly scheduler: Scheduler
  /** Null where the operator wants no learnt caps. */
  readonly caps: Caps | null
  /** How long a generation may wait for room if its caller does not say. */
  readonly deadlineMs: number
  /** Whether the account has the provider's service tiers, so that priorities mean something there too. */
  readonly serviceTiers: boolean
}

/** Stage 5: asks for room, calls the upstream when there is some, and feeds its reply into the flight. */
export function callUpstream(
  deps: LeadDeps,
  { call, place, beganAt }: Pick<Caller, 'call' | 'place' | 'beganAt'>,
  flight: Flight,
): void {
  const errand = new Errand(deps, { call, place, beganAt }, flight)
  flight.attach(errand)
  errand.ask()
}
