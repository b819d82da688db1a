import type { Upstream } from '@loopgate/cerebras'
import { type Clock, fault, type Logger } from '@loopgate/service-kit'
import type { Entry } from '../cache/entry.ts'
import type { Memory } from '../cache/memory.ts'
import type { Store } from '../cache/store.ts'
import type { Coalescer } from '../flight/coalescer.ts'
import { createFlight, type Flight } from '../flight/flight.ts'
import type { Metrics } from '../metrics.ts'
import type { Generation, GenerationCall, Ticket } from '../types.ts'
import { ageSeconds, createCaller, type Caller } from './caller.ts'
import { keyOf, type MakeKey } from './key.ts'
import { callUpstream } from './lead.ts'
import { plan } from './plan.ts'
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

/**
 * The stages of a generation, in order: plan, key, recall, join, lead, keep. Between looking for a
 * flight and leading one nothing waits, so equal calls always meet.
 */
export function createPipeline(deps: PipelineDeps, { capBytes }: { capBytes: number }): Pipeline {
  const { clock, coalescer, recall } = deps
  const leadDeps = { upstream: deps.upstream, clock, capBytes }
  const keepDeps = { ...deps, wallNow: clock.wallNow }
  let makeKey: MakeKey | null = null
  let flights = 0
  void deps.keyMaker.then((made) => (makeKey = made))

  return {
    generate(call) {
      const caller = createCaller({ clock, metrics: deps.metrics }, call)
      const ready = answer(caller)
      // Whoever leaves may not wait for the answer, and then a fault is nobody's.
      ready.catch(() => {})
      return { ready, leave: caller.leave }
    },
    flights: () => flights,
  }

  async function answer(caller: Caller): Promise<Generation> {
    const planned = plan(caller.call)
    if (!planned.shared) return await lead(caller, null, false)

    const key = keyOf(makeKey ?? (await deps.keyMaker), caller.call, planned.sampleIndex)
    caller.identify(key, planned.sampleIndex)
    if (!planned.reuse) return await lead(caller, key, false)

    const { maxAgeSeconds } = planned
    const near = recall.near(key, maxAgeSeconds)
    if (near !== null) return caller.replay(near)
    // Whoever sets an age looks into Redis for itself: a flight may find an answer that is too old.
    const far = maxAgeSeconds === null ? null : await recall.far(key, maxAgeSeconds)
    if (far !== null) return caller.replay(far)
    return await (join(caller, key, maxAgeSeconds !== null) ?? lead(caller, key, maxAgeSeconds === null))
  }

  /** Stage 4: a seat in the flight that is under way, if there is one that will do. */
  function join(caller: Caller, key: string, freshOnly: boolean): Promise<Generation> | null {
    const flight = coalescer.find(key)
    if (flight === undefined || (freshOnly && !flight.calling)) return null
    return caller.sit(flight, 'coalesced')
  }

  /** Stage 5: a flight of its own; a caller whose key has none takes it alone. */
  function lead(caller: Caller, key: string | null, lookFirst: boolean): Promise<Generation> {
    if (caller.left) throw fault('LG_CLIENT_CLOSED')
    const flight = createFlight({ shared: key !== null, capBytes, closed: (ended) => close(caller, key, ended) })
    flights++
    if (key !== null) coalescer.lead(key, flight)
    const answered = caller.sit(flight, key === null ? 'bypass' : 'miss')
    if (answered === null) throw fault('LG_INTERNAL', { cause: new Error('a new flight took no one') })
    if (lookFirst && key !== null) void look(caller, key, flight)
    else callUpstream(leadDeps, caller.call, flight, key !== null)
    return answered
  }

  /** Looks into Redis on behalf of everybody who has joined meanwhile, and calls the upstream if nothing is there. */
  async function look(caller: Caller, key: string, flight: Flight): Promise<void> {
    const entry = await recall.far(key, null)
    if (flight.abandoned) return
    if (entry !== null) serve(flight, entry)
    else callUpstream(leadDeps, caller.call, flight, true)
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
      deps.metrics.tokens(call.tenant, 'upstream', flight.end?.facts.usage ?? null)
      // A flight that a caller without patience for old answers has replaced is old by now.
      if (key !== null && coalescer.find(key) === flight) keep(keepDeps, call, key, flight)
    }
    if (key !== null) coalescer.release(key, flight)
  }
}
