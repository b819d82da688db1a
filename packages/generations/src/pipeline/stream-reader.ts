import { createFramer, createScan, type Facts, parseEvent } from '@loopgate/cerebras'
import { fault, type LoopgateError } from '@loopgate/service-kit'

export type StreamReader = {
  /** Takes a piece of the reply; returns the fault that it holds or is. */
  readonly push: (piece: Buffer) => LoopgateError | null
  /** The reply has ended; returns the fault if it was not whole. */
  readonly end: () => LoopgateError | null
  readonly facts: Facts
}

/** Cuts a reply into whole events, hands them on as they came, and finds out whether it was whole. */
export function createStreamReader(emit: (bytes: Buffer, usageOnly: boolean) => void): StreamReader {
  const framer = createFramer()
  const scan = createScan()
  return {
    get facts() {
      return scan.facts
    },
    push(piece) {
      try {
        const block = framer.push(piece)
        return block === null ? null : scan.feed(block, emit)
      } catch (error) {
        if (error instanceof RangeError) return fault('LG_UPSTREAM_ERROR', { cause: error })
        throw error
      }
    },
    end() {
      const rest = framer.end()
      // An event without its blank line counts if it is whole in itself; half an event is dropped.
      const error = rest !== null && isWhole(rest) ? scan.feed(rest, emit) : null
      if (error !== null) return error
      return scan.facts.finishReasons.length === 0 ? fault('LG_UPSTREAM_TRUNCATED') : null
    },
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
