import type { Fallback, Upstream } from '@loopgate/cerebras'
import { type Clock, fault, type FaultOptions, type Logger } from '@loopgate/service-kit'
import type { Entry } from '../cache/entry.ts'
import type { Families } from '../cache/families.ts'
import type { Memory } from '../cache/memory.ts'
import type { Statistics } from '../cache/statistics.ts'
import type { Store } from '../cache/store.ts'
import type { Coalescer } from '../flight/coalescer.ts'
import { Flight } from '../flight/flight.ts'
import { createFlusher } from '../flight/flusher.ts'
import type { Metrics } from '../metrics.ts'
import type { ClaimMode } from '../replicas/claims.ts'
import type { Replicas } from '../replicas/replicas.ts'
import type { GenerationCall, ResumePoint, Ticket } from '../types.ts'
import { ageSeconds, Caller } from './caller.ts'
import type { Identify, Place } from './identify.ts'
import { callUpstream, type LeadDeps } from './lead.ts'
import { plan, type SharedPlan } from './plan.ts'
import type { Recall } from './recall.ts'
import { createSeek } from './seek.ts'
import { keep } from './settle.ts'

const OTHER_REQUEST: FaultOptions = {
  message: 'last-event-id: it belongs to another request',
  param: 'last-event-id',
}
const GONE: FaultOptions = {
  message: 'last-event-id: the generation is neither under way nor stored any more; ask again without it',
  param: 'last-event-id',
}

export type PipelineDeps = {
  readonly upstream: Upstream
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  readonly identify: Promise<Identify>
  readonly memory: Memory
  readonly store: Store | null
  readonly recall: Recall
  readonly families: Families
  readonly statistics: Statistics
  readonly coalescer: Coalescer
  readonly scheduler: LeadDeps['scheduler']
  readonly retries: LeadDeps['retries']
  readonly caps: LeadDeps['caps']
  /** The other replicas; null without Redis. */
  readonly replicas: Replicas | null
}

export type PipelineOptions = Pick<LeadDeps, 'deadlineMs' | 'serviceTiers'> & {
  readonly capBytes: number
  readonly ttlMs: number
}

export type Pipeline = {
  readonly generate: (call: GenerationCall) => Ticket
  /** Flights under way. */
  readonly flights: () => number
}

/**
 * The stages of a generation, in order: plan, key, recall, join, lead, keep. Between looking for a
 * flight and leading one nothing waits, so equal calls always meet.
 */
export function createPipeline(deps: PipelineDeps, options: PipelineOptions): Pipeline {
  const { clock, coalescer, recall, metrics, replicas } = deps
  const { capBytes, ttlMs } = options
  const callerDeps = { clock, metrics, statistics: deps.statistics, flusher: createFlusher(clock), tryAgain, standIn }
  const leadDeps = { ...deps, ...options, standIn, serve }
  const keepDeps = { ...deps, wallNow: clock.wallNow, ttlMs }
  const seek = replicas === null ? null : createSeek({ replicas, recall, metrics, serve })
  let ready: Identify | null = null
  let flights = 0
  void deps.identify.then((made) => (ready = made))

  return {
    generate(call) {
      const caller = new Caller(callerDeps, call)
      const planned = plan(call)
      if (!planned.shared) alone(caller)
      else if (ready !== null) identify(caller, planned, ready)
      else void deps.identify.then((made) => identify(caller, planned, made))
      return caller
    },
    flights: () => flights,
  }

  /** What is not shared goes straight through, and there is nothing of it to go on with. */
  function alone(caller: Caller): void {
    if (caller.call.delivery?.resume) caller.refuse(fault('LG_CONFLICT', OTHER_REQUEST))
    else lead(caller, null, 'force')
  }

  /** Stage 2: at once where nothing has to be looked up, so that equal calls meet. */
  function identify(caller: Caller, planned: SharedPlan, made: Identify): void {
    try {
      const place = made.identify(caller.call, planned)
      if ('key' in place) share(caller, planned, place)
      else place.then((found) => share(caller, planned, found)).catch((error: unknown) => caller.refuse(error))
    } catch (error) {
      caller.refuse(error)
    }
  }

  /** Stage 3: a stored answer that is near, else the flight. */
  function share(caller: Caller, { reuse, maxAgeSeconds }: SharedPlan, place: Place): void {
    if (caller.left) return
    const { key } = place
    caller.place = place
    const resume = caller.call.delivery?.resume ?? null
    if (resume !== null) return takeUp(caller, key, resume)
    if (!reuse) return lead(caller, key, 'force')
    const near = recall.near(key, maxAgeSeconds)
    if (near !== null) caller.replay(near)
    else if (maxAgeSeconds === null) join(caller, key, false)
    else void recallAlone(caller, key, maxAgeSeconds)
  }

  /** Goes on with a generation that lives, here or on another replica, as a flight or an entry; never begins one. */
  function takeUp(caller: Caller, key: string, resume: ResumePoint): void {
    if (resume.key !== key) return caller.refuse(fault('LG_CONFLICT', OTHER_REQUEST))
    const near = recall.near(key, null)
    const flight = coalescer.find(key)
    if (near !== null) caller.replay(near)
    else if (flight === undefined || !caller.sit(flight, 'coalesced')) lead(caller, key, 'peek')
  }

  /** Whoever sets an age looks into Redis for itself: a flight may find an answer that is too old. */
  async function recallAlone(caller: Caller, key: string, maxAgeSeconds: number): Promise<void> {
    const far = await recall.far(key, maxAgeSeconds)
    if (far !== null) caller.replay(far)
    else join(caller, key, true)
  }

  /** Stage 4: a seat in the flight that is under way, if there is one that will do. */
  function join(caller: Caller, key: string, freshOnly: boolean): void {
    const flight = coalescer.find(key)
    const willDo = flight !== undefined && (flight.calling || !freshOnly)
    if (!willDo || !caller.sit(flight, 'coalesced')) lead(caller, key, freshOnly ? 'fresh' : 'any')
  }

  /**
   * Stage 5: a flight of its own, led here or elsewhere; a caller whose key has none takes it alone.
   * `failed` is the flight that it waited in before.
   */
  function lead(caller: Caller, key: string | null, mode: ClaimMode, failed: Flight | null = null): void {
    if (caller.left) return
    const heirs = key !== null && mode !== 'peek' && failed === null
    const flight = new Flight({ shared: key !== null, capBytes, heirs, closed: (ended) => close(caller, key, ended) })
    flights++
    caller.account.lead()
    if (failed !== null) failed.heir = flight
    // One that only takes up another must not be found by those who would begin one.
    if (key !== null && mode !== 'peek') coalescer.lead(key, flight)
    caller.sit(flight, key === null ? 'bypass' : 'miss')
    const call = () => {
      if (mode === 'peek') return flight.fail(fault('LG_NOT_FOUND', GONE))
      if (failed !== null) metrics.succeeded()
      caller.hasCalled = true
      callUpstream(leadDeps, caller, flight)
    }
    const spent = () => flight.fail(failed?.fault ?? fault('LG_UPSTREAM_ERROR'))
    if (key === null || seek === null) call()
    else void seek(flight, key, { mode, lead: call, spent, dead: failed?.token ?? null })
  }

  /**
   * Stage 5 once more, for a caller whose flight failed before anything had come: the first of those
   * who waited makes the one further call, and all others join it, here and on other replicas.
   */
  function tryAgain(caller: Caller, failed: Flight): void {
    const key = caller.place?.key ?? null
    const heir = failed.heir ?? (key === null ? undefined : coalescer.find(key))
    if (heir === undefined) lead(caller, key, failed.token === null ? 'fresh' : 'heir', failed)
    else if (!caller.sit(heir, 'coalesced')) caller.end(heir.fault ?? failed.fault)
  }

  function serve(flight: Flight, { recording, createdAtMs }: Entry, fallback?: Fallback): void {
    const { kind, usage } = recording
    const age = ageSeconds(clock, createdAtMs)
    flight.open({
      source: 'cache',
      kind,
      headers: {},
      at: clock.now(),
      ageSeconds: age,
      attempts: 0,
      queueMs: 0,
      ...(fallback !== undefined && { fallback }),
    })
    flight.complete({ finishReasons: [], usage, done: true }, recording)
  }

  /** Stage 6, once a flight can no longer be joined: keeps the answer and counts what it cost. */
  function close(caller: Caller, key: string | null, flight: Flight): void {
    const { call } = caller
    flights--
    caller.account.ended(flight)
    const source = flight.head?.source
    for (const usage of flight.wasted) metrics.tokens(call.tenant, 'upstream', usage)
    if (source === 'upstream') metrics.tokens(call.tenant, 'upstream', flight.end?.facts.usage ?? null)
    if (key === null) return
    // A flight that a caller without patience for old answers has replaced is old by now.
    const keeps = source !== 'cache' && coalescer.find(key) === flight
    const fallback = flight.head?.fallback
    const own = keeps && fallback === undefined
    const stored = own ? keep(keepDeps, caller, key, flight, replicas?.tokenOf(flight) ?? null) : null
    if (keeps && fallback !== undefined && caller.place !== null) {
      const place = standIn(caller.place, fallback)
      void keep(keepDeps, { call, place }, place.key, flight, null)
    }
    replicas?.led.end(flight, stored)
    coalescer.release(key, flight)
  }

  /** Only for a place that has been identified. */
  function standIn(place: Place, fallback: Fallback): Place {
    return ready === null ? place : ready.standIn(place, fallback)
  }
}
