import type { Surface } from '@loopgate/contracts'
import type { LoopgateError } from '@loopgate/service-kit'
import { errorChunk } from '../shape/error-chunk.ts'
import type { Sink } from '../types.ts'
import type { Flight } from './flight.ts'

/** Gives one caller a stream as it comes, from its beginning, at the pace at which the caller takes it. */
export type Relay = {
  readonly position: number
  readonly readBytes: number
  /** True if something was written at once. */
  readonly pipe: (sink: Sink) => boolean
  readonly pump: () => void
  readonly destroy: () => void
}

type RelayOptions = {
  readonly surface: Surface
  readonly includeUsage: boolean
  readonly began: () => void
  readonly over: (error: LoopgateError | null) => void
  readonly left: () => boolean
}

const LF = 0x0a
const CR = 0x0d
const BLANK_LINE = Buffer.from('\n\n')

export function createRelay(flight: Flight, { surface, includeUsage, began, over, left }: RelayOptions): Relay {
  const { log } = flight
  let sink: Sink | null = null
  let position = 0
  let readBytes = 0
  let blocked = false
  let first: Buffer | null = null
  let latest: Buffer | null = null

  return {
    get position() {
      return position
    },
    get readBytes() {
      return readBytes
    },
    pipe(to) {
      if (left()) return true
      sink = to
      to.on('drain', () => {
        blocked = false
        pump()
      })
      pump()
      return latest !== null
    },
    pump,
    destroy() {
      sink?.destroy()
    },
  }

  function pump(): void {
    if (sink === null || left()) return
    const before = position
    while (!blocked) {
      const block = log.at(position)
      if (block === undefined) break
      position++
      readBytes += block.bytes.length
      if (!block.usageOnly || includeUsage) write(sink, block.bytes)
    }
    if (position > before) flight.progressed()
    if (!blocked && position === log.end) finish(sink)
  }

  function write(to: Sink, bytes: Buffer): void {
    if (first === null) {
      first = bytes
      began()
    }
    latest = bytes
    blocked = !to.write(bytes)
  }

  function finish(to: Sink): void {
    const { fault, end } = flight
    if (fault !== null) {
      if (latest !== null && !endsEvent(latest)) to.write(BLANK_LINE)
      to.write(errorChunk(surface, first, fault))
    } else if (end === null) return
    to.end()
    over(fault)
  }
}

/** Whether bytes end with a blank line, so that another event may follow. */
function endsEvent(bytes: Buffer): boolean {
  const last = bytes.at(-1)
  const previous = bytes.at(-2)
  if (last === CR) return previous === CR || previous === LF
  return last === LF && (previous === LF || (previous === CR && bytes.at(-3) === LF))
}
