import { type Usage, usageSchema } from '@loopgate/contracts'
import { fault, type LoopgateError } from '@loopgate/service-kit'
import { fromRecord, isRecord } from '../faults/body.ts'
import { faultOfChunk } from '../faults/classify.ts'
import { parseEvent, splitEvents } from './framer.ts'

/** What is known of a stream or reply beside its bytes. */
export type Facts = {
  /** Finish reason of each choice that has ended, in the order seen. */
  readonly finishReasons: readonly string[]
  readonly usage: Usage | null
  /** `[DONE]` was seen. */
  readonly done: boolean
}

export type Scan = {
  readonly facts: Facts
  /**
   * Looks at the bytes of whole events and hands them on through `emit`, unchanged and in order, up
   * to an error event or a `[DONE]` before any finish reason, which is returned as a fault and not
   * handed on. `usageOnly` marks a chunk
   * that holds usage and no choice: clients that did not ask for usage do not expect one.
   */
  readonly feed: (block: Buffer, emit: (bytes: Buffer, usageOnly: boolean) => void) => LoopgateError | null
}

/**
 * Only a block that this finds is parsed. Inside a JSON text every quote is escaped, so these can
 * only be member names; in an ordinary chunk none of them occurs (`finish_reason` may, as null).
 * Read as Latin-1 this costs 0.2 us a chunk; five searches of the buffer cost four times as much
 * (measured on 238-byte chunks).
 */
const TELLING = /"(?:(?:finish_reason|usage|error)"(?!\s*:\s*null)|message")|\[DONE\]/

export function createScan(): Scan {
  const finishReasons: string[] = []
  let usage: Usage | null = null
  let done = false

  return {
    get facts() {
      return { finishReasons, usage, done }
    },
    feed(block, emit) {
      if (!TELLING.test(block.toString('latin1'))) {
        emit(block, false)
        return null
      }
      for (const event of splitEvents(block)) {
        const { fault: found, usageOnly } = read(event)
        if (found !== null) return found
        emit(event, usageOnly)
      }
      return null
    },
  }

  function read(event: Buffer): { fault: LoopgateError | null; usageOnly: boolean } {
    const parsed = parseEvent(event)
    if (parsed === null) return { fault: null, usageOnly: false }
    if (parsed.data.startsWith('[DONE]')) {
      // Clients stop reading here and would take what they have for the whole answer.
      if (finishReasons.length === 0) return { fault: fault('LG_UPSTREAM_TRUNCATED'), usageOnly: false }
      done = true
      return { fault: null, usageOnly: false }
    }
    const chunk = json(parsed.data)
    if (isErrorChunk(chunk, parsed.name)) return { fault: faultOfChunk(fromRecord(chunk)), usageOnly: false }
    if (!isRecord(chunk)) return { fault: null, usageOnly: false }
    const choices = Array.isArray(chunk['choices']) ? chunk['choices'] : []
    for (const choice of choices) {
      const reason = isRecord(choice) ? choice['finish_reason'] : null
      if (typeof reason === 'string') finishReasons.push(reason)
    }
    const seen = usageSchema.safeParse(chunk['usage'])
    if (seen.success) usage = seen.data
    return { fault: null, usageOnly: seen.success && choices.length === 0 }
  }
}

/** An error in any of its shapes: nested, with a status, flat without choices, or by the event's name. */
function isErrorChunk(chunk: unknown, eventName: string): chunk is Record<string, unknown> {
  if (!isRecord(chunk)) return false
  if (eventName === 'error') return true
  const nested = chunk['error']
  if (nested !== undefined && nested !== null && nested !== '') return true
  return chunk['choices'] === undefined && typeof chunk['message'] === 'string'
}

/** Facts of a reply that is one JSON document; null if it is not a completion at all. */
export function factsOfReply(reply: Record<string, unknown>): Facts | null {
  const { choices } = reply
  if (!Array.isArray(choices)) return null
  const reasons = choices.map((choice) => (isRecord(choice) ? choice['finish_reason'] : null))
  const usage = usageSchema.safeParse(reply['usage'])
  return {
    finishReasons: reasons.filter((reason) => typeof reason === 'string'),
    usage: usage.success ? usage.data : null,
    done: true,
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
