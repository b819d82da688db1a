import { type BlockTaker, type EventTaker, type Facts, Framer, parseEvent, Scan } from '@loopgate/cerebras'
import { fault, type LoopgateError } from '@loopgate/service-kit'

/** Cuts a reply into whole events, hands them on as they came, and finds out whether it was whole. */
export class StreamReader implements BlockTaker {
  readonly #framer = new Framer()
  readonly #scan: Scan
  #fault: LoopgateError | null = null

  constructor(taker: EventTaker) {
    this.#scan = new Scan(taker)
  }

  get facts(): Facts {
    return this.#scan.facts
  }

  /** Takes a piece of the reply; returns the fault that it holds or is. */
  push(piece: Buffer): LoopgateError | null {
    try {
      this.#framer.push(piece, this)
    } catch (error) {
      this.#fault ??= fault('LG_UPSTREAM_ERROR', { cause: error })
    }
    return this.#fault
  }

  /** For the framer: whole events. Nothing behind a fault is handed on. */
  block(bytes: Buffer): void {
    this.#fault ??= this.#scan.feed(bytes)
  }

  /** The reply has ended; returns the fault if it was not whole. */
  end(): LoopgateError | null {
    const rest = this.#framer.end()
    // An event without its blank line counts if it is whole in itself; half an event is dropped.
    const error = rest !== null && isWhole(rest) ? this.#scan.feed(rest) : null
    if (error !== null) return error
    return this.#scan.facts.finishReasons.length === 0 ? fault('LG_UPSTREAM_TRUNCATED') : null
  }
}

function isWhole(rest: Buffer): boolean {
  const data = parseEvent(rest)?.data
  if (data === undefined || data === '[DONE]') return true
  try {
    JSON.parse(data)
    return true
  } catch {
    return false
  }
}
