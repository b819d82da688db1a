import { type Usage, usageSchema } from '@loopgate/contracts'
import { fault, LoopgateError } from '@loopgate/service-kit'
import { fromRecord, isRecord } from '../faults/body.ts'
import { faultOfChunk } from '../faults/classify.ts'
import { eventEnd, eventStart, parseEvent } from './framer.ts'

/** What is known of a stream or reply beside its bytes. */
export type Facts = {
  /** Finish reason of each choice that has ended, in the order seen. */
  readonly finishReasons: readonly string[]
  readonly usage: Usage | null
  /** `[DONE]` was seen. */
  readonly done: boolean
}

/** Who takes whole events; `usageOnly` marks a chunk that holds usage and no choice. */
export type EventTaker = { readonly append: (bytes: Buffer, usageOnly: boolean) => void }

/**
 * Only an event in which this is found is parsed. Inside a JSON text every quote is escaped, so
 * these can only be the ends of member names (finish_reason, usage, error, message); in an ordinary
 * chunk none of them occurs, or as null. Alternatives of six or more characters that all begin
 * differently let V8 skip ahead: 4 us for 16 KB read as Latin-1, where a character is a byte, against
 * 13 us with whole names in quotes and 44 us for five searches of the buffer.
 */
const TELLING = /reason"(?!\s*:\s*null)|usage"(?!\s*:\s*null)|error"(?!\s*:\s*null)|ssage"|\[DONE\]/g

/** Looks at a stream beside its way for finish reasons, usage and errors. */
export class Scan {
  readonly #taker: EventTaker
  readonly #finishReasons: string[] = []
  #usage: Usage | null = null
  #done = false

  constructor(taker: EventTaker) {
    this.#taker = taker
  }

  get facts(): Facts {
    return { finishReasons: this.#finishReasons, usage: this.#usage, done: this.#done }
  }

  /**
   * Hands the bytes of whole events on, unchanged and in order, up to an error event or a `[DONE]`
   * before any finish reason, which is returned as a fault and not handed on.
   */
  feed(block: Buffer): LoopgateError | null {
    const text = block.toString('latin1')
    let handed = 0
    TELLING.lastIndex = 0
    for (let found = TELLING.exec(text); found !== null; found = TELLING.exec(text)) {
      const start = eventStart(block, found.index, handed)
      const end = eventEnd(block, found.index)
      if (start > handed) this.#taker.append(block.subarray(handed, start), false)
      const event = block.subarray(start, end)
      const usageOnly = this.#read(event)
      if (usageOnly instanceof LoopgateError) return usageOnly
      this.#taker.append(event, usageOnly)
      handed = end
      TELLING.lastIndex = end
    }
    if (handed === 0) this.#taker.append(block, false)
    else if (handed < block.length) this.#taker.append(block.subarray(handed), false)
    return null
  }

  /** Notes what an event says; its fault, or whether it holds nothing but usage. */
  #read(event: Buffer): LoopgateError | boolean {
    const parsed = parseEvent(event)
    if (parsed === null) return false
    if (parsed.data.startsWith('[DONE]')) {
      // Clients stop reading here and would take what they have for the whole answer.
      if (this.#finishReasons.length === 0) return fault('LG_UPSTREAM_TRUNCATED')
      this.#done = true
      return false
    }
    const chunk = json(parsed.data)
    if (isErrorChunk(chunk, parsed.name)) return faultOfChunk(fromRecord(chunk))
    if (!isRecord(chunk)) return false
    const choices = Array.isArray(chunk['choices']) ? chunk['choices'] : []
    for (const choice of choices) {
      const reason = isRecord(choice) ? choice['finish_reason'] : null
      if (typeof reason === 'string') this.#finishReasons.push(reason)
    }
    const seen = usageSchema.safeParse(chunk['usage'])
    if (seen.success) this.#usage = seen.data
    return seen.success && choices.length === 0
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
