import type { Upstream } from '@loopgate/cerebras'
import type { Clock, Logger } from '@loopgate/service-kit'
import type { Entry } from '../cache/entry.ts'
import type { Memory } from '../cache/memory.ts'
import type { Store } from '../cache/store.ts'
import type { Coalescer } from '../flight/coalescer.ts'
import { Flight } from '../flight/flight.ts'
import { createFlusher } from '../flight/flusher.ts'
import type { Metrics } from '../metrics.ts'
import type { GenerationCall, Ticket } from '../types.ts'
import { ageSeconds, Caller } from './caller.ts'
import { keyOf, type MakeKey } from './key.ts'
import { callUpstream } from './lead.ts'
import { plan, type Plan } from './plan.ts'
import type { Recall } from './recall.ts'
import { keep } from './settle.ts'

export type PipelineDeps = {
  readonly upstream: Upstream
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  readonly keyMaker: Promise<MakeKey>
  readonly memory: Memory
  readonly store: Store | null
  readonly recall: Recall
  readonly coalescer: Coalescer
}

export type Pipeline = {
  readonly generate: (call: GenerationCall) => Ticket
  /** Flights under way. */
  readonly flights: () => number
}

type Shared = Extract<Plan, { shared: true }>

/**
 * The stages of a generation, in order: plan, key, recall, join, lead, keep. Between looking for a
 * flight and leading one nothing waits, so equal calls always meet.
 */
export function createPipeline(deps: PipelineDeps, { capBytes }: { capBytes: number }): Pipeline {
  const { clock, coalescer, recall, metrics } = deps
  const callerDeps = { clock, metrics, flusher: createFlusher(clock) }
  const leadDeps = { upstream: deps.upstream, clock }
  const keepDeps = { ...deps, wallNow: clock.wallNow }
  let makeKey: MakeKey | null = null
  let flights = 0
  void deps.keyMaker.then((made) => (makeKey = made))

  return {
    generate(call) {
      const caller = new Caller(callerDeps, call)
      const planned = plan(call)
      if (!planned.shared) lead(caller, null, false)
      else if (makeKey !== null) share(caller, planned, makeKey)
      else void deps.keyMaker.then((made) => share(caller, planned, made))
      return caller
    },
    flights: () => flights,
  }

  function share(caller: Caller, { sampleIndex, reuse, maxAgeSeconds }: Shared, made: MakeKey): void {
    let key: string
    try {
      key = keyOf(made, caller.call, sampleIndex)
    } catch (error) {
      return caller.refuse(error)
    }
    caller.identify(key, sampleIndex)
    if (!reuse) return lead(caller, key, false)
    const near = recall.near(key, maxAgeSeconds)
    if (near !== null) caller.replay(near)
    else if (maxAgeSeconds === null) join(caller, key, false)
    else void recallAlone(caller, key, maxAgeSeconds)
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
    if (!willDo || !caller.sit(flight, 'coalesced')) lead(caller, key, !freshOnly)
  }

  /** Stage 5: a flight of its own; a caller whose key has none takes it alone. */
  function lead(caller: Caller, key: string | null, lookFirst: boolean): void {
    if (caller.left) return
    const flight = new Flight({ shared: key !== null, capBytes, closed: (ended) => close(caller, key, ended) })
    flights++
    if (key !== null) coalescer.lead(key, flight)
    caller.sit(flight, key === null ? 'bypass' : 'miss')
    if (lookFirst && key !== null) void look(caller, key, flight)
    else callUpstream(leadDeps, caller.call, flight)
  }

  /** Looks into Redis on behalf of everybody who has joined meanwhile, and calls the upstream if nothing is there. */
  async function look(caller: Caller, key: string, flight: Flight): Promise<void> {
    const entry = await recall.far(key, null)
    if (flight.abandoned) return
    if (entry !== null) serve(flight, entry)
    else callUpstream(leadDeps, caller.call, flight)
  }

  function serve(flight: Flight, { recording, createdAtMs }: Entry): void {
    const { kind, usage } = recording
    const age = ageSeconds(clock, createdAtMs)
    flight.open({ source: 'cache', kind, headers: {}, at: clock.now(), ageSeconds: age, attempts: 0, queueMs: 0 })
    flight.complete({ finishReasons: [], usage, done: true }, recording)
  }

  /** Stage 6, once a flight can no longer be joined: keeps the answer and counts what it cost. */
  function close({ call }: Caller, key: string | null, flight: Flight): void {
    flights--
    if (flight.head?.source === 'upstream') {
      metrics.tokens(call.tenant, 'upstream', flight.end?.facts.usage ?? null)
      // A flight that a caller without patience for old answers has replaced is old by now.
      if (key !== null && coalescer.find(key) === flight) keep(keepDeps, call, key, flight)
    }
    if (key !== null) coalescer.release(key, flight)
  }
}
