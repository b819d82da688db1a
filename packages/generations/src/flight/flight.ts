import type { CallHandle, Facts } from '@loopgate/cerebras'
import type { LoopgateError } from '@loopgate/service-kit'
import type { Kind, Recording } from '../shape/recording.ts'
import { type Block, createLog, type Log } from './log.ts'

/** What is known when an answer begins. */
export type FlightHead = {
  readonly source: 'upstream' | 'cache'
  readonly kind: Kind
  readonly headers: Readonly<Record<string, string>>
  /** On the monotonic clock. */
  readonly at: number
  readonly ageSeconds: number | null
  readonly attempts: number
  readonly queueMs: number
}

/** A reader of a flight. Its position is its own; no reader paces another. */
export type Seat = {
  /** How far it has read, as a position in the log and in bytes. */
  readonly position: number
  readonly readBytes: number
  /** Something has changed: a head, bytes, the end or a fault. */
  readonly wake: () => void
  /** It has fallen too far behind and is let go. */
  readonly drop: () => void
}

export type FlightEnd = { readonly facts: Facts; readonly recording: Recording | null }

export type Flight = {
  readonly log: Log
  readonly head: FlightHead | null
  /** Set when the answer is whole; the recording is there unless the log had to be dropped on the way. */
  readonly end: FlightEnd | null
  readonly fault: LoopgateError | null
  /** Nobody is left; nothing that still arrives counts. */
  readonly abandoned: boolean
  readonly seats: number
  /** The upstream has been called: the answer will not be a stored one. */
  readonly calling: boolean
  /** Takes a seat at the very beginning, or refuses: a flight that failed, was given up or outgrew its bound. */
  readonly join: (seat: Seat) => boolean
  readonly leave: (seat: Seat) => void
  /** A reader got on; may let the upstream go on. */
  readonly progressed: () => void
  readonly attach: (call: CallHandle) => void
  readonly open: (head: FlightHead) => void
  readonly append: (bytes: Buffer, usageOnly: boolean) => void
  readonly complete: (facts: Facts, recording: Recording | null) => void
  readonly fail: (error: LoopgateError) => void
}

export type FlightOptions = {
  /** Whether others may join, so that all bytes are kept, up to the bound. */
  readonly shared: boolean
  readonly capBytes: number
  /** Told once, before the readers, when the flight can no longer be joined for good. */
  readonly closed: (flight: Flight) => void
}

/** Unread bytes of a lone reader above which the upstream is paused, and below which it goes on. */
const PAUSE_BYTES = 256 * 1024
const RESUME_BYTES = 64 * 1024

/**
 * A generation in progress. While it is shared, everything is kept, so that whoever comes late
 * starts at the beginning; beyond `capBytes` no one may join, and what all have read is dropped. A
 * lone reader then paces the upstream; among several the one that is `capBytes` behind is dropped.
 */
export function createFlight({ shared, capBytes, closed }: FlightOptions): Flight {
  const log = createLog()
  const seats = new Set<Seat>()
  let head: FlightHead | null = null
  let end: FlightEnd | null = null
  let fault: LoopgateError | null = null
  let abandoned = false
  let call: CallHandle | null = null
  let paused = false

  const flight: Flight = {
    log,
    get head() {
      return head
    },
    get end() {
      return end
    },
    get fault() {
      return fault
    },
    get abandoned() {
      return abandoned
    },
    get seats() {
      return seats.size
    },
    get calling() {
      return call !== null
    },
    join(seat) {
      const first = seats.size === 0 && head === null
      if (isOver() || !(first || (shared && log.bytes <= capBytes))) return false
      seats.add(seat)
      return true
    },
    leave(seat) {
      if (!seats.delete(seat) || isOver()) return
      if (seats.size > 0) return relieve()
      abandoned = true
      closed(flight)
      call?.abort()
    },
    progressed: relieve,
    attach(handle) {
      call = handle
      if (abandoned) handle.abort()
    },
    open(opened) {
      if (isOver()) return
      head = opened
      wakeAll()
    },
    append(bytes, usageOnly) {
      if (isOver()) return
      const block: Block = { bytes, usageOnly }
      log.append(block)
      wakeAll()
      relieve()
    },
    complete(facts, recording) {
      if (isOver()) return
      end = { facts, recording }
      finish()
    },
    fail(error) {
      if (isOver()) return
      fault = error
      finish()
      call?.abort()
    },
  }
  return flight

  function isOver(): boolean {
    return abandoned || end !== null || fault !== null
  }

  function finish(): void {
    closed(flight)
    wakeAll()
    seats.clear()
  }

  function wakeAll(): void {
    for (const seat of seats) seat.wake()
  }

  /** Drops what nobody needs any more and holds the upstream back where that helps. */
  function relieve(): void {
    if (isOver() || (shared && log.bytes <= capBytes)) return
    let slowest: Seat | null = null
    let position = log.end
    for (const seat of seats) {
      position = Math.min(position, seat.position)
      if (slowest === null || seat.readBytes < slowest.readBytes) slowest = seat
    }
    log.dropBefore(position)
    const behind = slowest === null ? 0 : log.bytes - slowest.readBytes
    if (seats.size > 1) {
      hold(false)
      if (slowest !== null && behind > capBytes) slowest.drop()
    } else if (behind > PAUSE_BYTES) hold(true)
    else if (behind < RESUME_BYTES) hold(false)
  }

  function hold(wanted: boolean): void {
    if (wanted === paused || call === null) return
    paused = wanted
    if (wanted) call.pause()
    else call.resume()
  }
}
