import type { CacheOutcome } from '@loopgate/contracts'
import { type Clock, fault, type LoopgateError } from '@loopgate/service-kit'
import type { Entry } from '../cache/entry.ts'
import type { Flight } from '../flight/flight.ts'
import { type CallerSeat, createSeat } from '../flight/seat.ts'
import type { Metrics } from '../metrics.ts'
import { asDocument, asStream } from '../shape/recording.ts'
import type { Generation, GenerationCall, Sink } from '../types.ts'

type Role = 'miss' | 'coalesced' | 'bypass'

/** One caller on its way through the stages: what it is told, and what is counted for it. */
export type Caller = {
  readonly call: GenerationCall
  readonly left: boolean
  readonly identify: (key: string, sampleIndex: number) => void
  /** Answers from a stored entry. */
  readonly replay: (entry: Entry) => Generation
  /** Takes a seat in a flight and waits for the answer; null if the flight takes no one. */
  readonly sit: (flight: Flight, role: Role) => Promise<Generation> | null
  readonly leave: () => void
}

export function createCaller({ clock, metrics }: { clock: Clock; metrics: Metrics }, call: GenerationCall): Caller {
  const beganAt = clock.now()
  const stream = call.body['stream'] === true
  const includeUsage = asksForUsage(call.body['stream_options'])
  const identity: { key: string | null; sampleIndex: number | null } = { key: null, sampleIndex: call.sampleIndex }
  let seat: CallerSeat | null = null
  let left = false

  return {
    call,
    get left() {
      return left
    },
    identify(key, sampleIndex) {
      identity.key = key
      identity.sampleIndex = sampleIndex
    },
    replay({ recording, createdAtMs }) {
      metrics.answered('hit')
      metrics.tokens(call.tenant, 'saved', recording.usage)
      return {
        ...identity,
        outcome: 'hit',
        ageSeconds: ageSeconds(clock, createdAtMs),
        attempts: 0,
        queueMs: 0,
        upstreamMs: 0,
        headers: {},
        content: stream
          ? { kind: 'stream', pipe: pipeOnce(asStream(call.surface, recording, includeUsage)) }
          : { kind: 'document', bytes: ended(asDocument(call.surface, recording)) },
      }
    },
    sit(flight, role) {
      const taken = createSeat(flight, {
        surface: call.surface,
        stream,
        includeUsage,
        began,
        over: (e) => over(flight, role, e),
      })
      if (!flight.join(taken)) return null
      seat = taken
      taken.wake()
      return answerOf(taken, flight, role)
    },
    leave() {
      if (left) return
      left = true
      seat?.leave()
    },
  }

  async function answerOf(taken: CallerSeat, flight: Flight, role: Role): Promise<Generation> {
    try {
      const content = await taken.content
      // The upstream said 200 and then an error at once: no byte has been sent, so it can still be
      // an ordinary reply.
      if (flight.fault !== null && flight.log.end === 0) {
        taken.withdraw(flight.fault)
        throw flight.fault
      }
      return generationOf(content, flight, role)
    } catch (error) {
      metrics.answered(role)
      throw error
    }
  }

  function generationOf(content: Generation['content'], { head }: Flight, role: Role): Generation {
    if (head === null) throw fault('LG_INTERNAL', { cause: new Error('an answer without a head') })
    const fromCache = head.source === 'cache'
    const outcome: CacheOutcome = fromCache ? 'hit' : role
    const leads = !fromCache && role !== 'coalesced'
    metrics.answered(outcome)
    return {
      ...identity,
      outcome,
      ageSeconds: head.ageSeconds,
      attempts: leads ? head.attempts : 0,
      queueMs: leads ? head.queueMs : 0,
      upstreamMs: fromCache ? 0 : Math.max(0, head.at - beganAt - (leads ? head.queueMs : 0)),
      // Limits and ids of the upstream are about the leader's call.
      headers: leads ? head.headers : {},
      content,
    }
  }

  function over(flight: Flight, role: Role, error: LoopgateError | null): void {
    metrics.ended(error?.code ?? null)
    const saved = flight.head?.source === 'cache' || role === 'coalesced'
    if (error === null && saved) metrics.tokens(call.tenant, 'saved', flight.end?.facts.usage ?? null)
  }

  function began(): void {
    metrics.began((clock.now() - beganAt) / 1000)
  }

  function pipeOnce(bytes: Buffer): (sink: Sink) => boolean {
    return (sink) => {
      if (left) return true
      began()
      sink.write(bytes)
      sink.end()
      metrics.ended(null)
      return true
    }
  }

  function ended(bytes: Buffer): Buffer {
    metrics.ended(null)
    return bytes
  }
}

/** Age of an entry for the `age` header: whole seconds, never negative. */
export function ageSeconds(clock: Clock, createdAtMs: number): number {
  return Math.max(0, Math.floor((clock.wallNow() - createdAtMs) / 1000))
}

function asksForUsage(options: unknown): boolean {
  return typeof options === 'object' && options !== null && 'include_usage' in options && options.include_usage === true
}
