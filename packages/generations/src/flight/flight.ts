import type { CallHandle, Facts, Fallback } from '@loopgate/cerebras'
import type { Usage } from '@loopgate/contracts'
import type { LoopgateError } from '@loopgate/service-kit'
import type { Kind, Recording } from '../shape/recording.ts'
import { Log } from './log.ts'

/** What is known when an answer begins. */
export type FlightHead = {
  /** `peer`: another replica has called the upstream. */
  readonly source: 'upstream' | 'peer' | 'cache'
  readonly kind: Kind
  readonly headers: Readonly<Record<string, string>>
  /** On the monotonic clock. */
  readonly at: number
  readonly ageSeconds: number | null
  readonly attempts: number
  readonly queueMs: number
  /** Who has answered in place of the upstream; absent if nobody has. */
  readonly fallback?: Fallback
}

/** A reader of a flight. Its position is its own; no reader paces another. */
export type Seat = {
  /** How far it has read, as a position in the log and in bytes. */
  readonly position: number
  readonly readBytes: number
  /** Something has changed: a head, bytes, the end or a fault. */
  readonly wake: () => void
  /** Nothing has come for a while, and nothing is wrong. */
  readonly keepAlive?: () => void
  /** It has fallen too far behind and is let go. */
  readonly drop: () => void
  /**
   * What came so far is void. True if it starts again at the beginning; a reader that has passed
   * bytes on cannot, ends with the error, and says false.
   */
  readonly rewind: (error: LoopgateError) => boolean
}

export type FlightEnd = { readonly facts: Facts; readonly recording: Recording | null }

export type FlightOptions = {
  /** Whether others may join, so that all bytes are kept, up to the bound. */
  readonly shared: boolean
  readonly capBytes: number
  /** Whether somebody who waits may try again if its call fails before anything has come. */
  readonly heirs: boolean
  /** Told once, before the readers, when the flight can no longer be joined for good. */
  readonly closed: (flight: Flight) => void
}

/** Proxies give a silent connection up after 30 to 60 s as a rule (nginx, HAProxy, AWS load balancers: defaults). */
export const KEEP_ALIVE_MS = 10_000
/** Unread bytes of a lone reader above which the upstream is paused, and below which it goes on. */
const PAUSE_BYTES = 256 * 1024
const RESUME_BYTES = 64 * 1024

/**
 * A generation in progress. While it is shared, everything is kept, so that whoever comes late
 * starts at the beginning; beyond `capBytes` no one may join, and what all have read is dropped. A
 * lone reader then paces the upstream; among several the one that is `capBytes` behind is dropped.
 * A class, as all that is made for each request: closures would be made anew for each.
 */
export class Flight {
  readonly log = new Log()
  /** The name of its lead among the replicas; null while it has none there. */
  token: string | null = null
  /** The flight of whoever tries again for all who waited in this one. */
  heir: Flight | null = null
  readonly #options: FlightOptions
  readonly #seats = new Set<Seat>()
  #head: FlightHead | null = null
  #end: FlightEnd | null = null
  #fault: LoopgateError | null = null
  #inheritable = false
  #abandoned = false
  #call: CallHandle | null = null
  #paused = false
  #heirs: boolean
  #expectedMs: number | null = null
  #waitsElsewhere = false
  #wasted: readonly Usage[] = []

  constructor(options: FlightOptions) {
    this.#options = options
    this.#heirs = options.heirs
  }

  get shared(): boolean {
    return this.#options.shared
  }

  get head(): FlightHead | null {
    return this.#head
  }

  /** Set when the answer is whole; the recording is there unless the log had to be dropped on the way. */
  get end(): FlightEnd | null {
    return this.#end
  }

  get fault(): LoopgateError | null {
    return this.#fault
  }

  /** It failed before anything of an answer had come, and for a reason that another call need not meet. */
  get inheritable(): boolean {
    return this.#inheritable
  }

  /** Nobody is left; nothing that still arrives counts. */
  get abandoned(): boolean {
    return this.#abandoned
  }

  /** The upstream has been called: the answer will not be a stored one. */
  get calling(): boolean {
    return this.#call !== null
  }

  /** Everything since the first byte is still there, to be joined or kept. */
  get whole(): boolean {
    return this.#options.shared && this.log.bytes <= this.#options.capBytes
  }

  /** Takes a seat at the very beginning, or refuses: a flight that is over or has outgrown its bound. */
  join(seat: Seat): boolean {
    const first = this.#seats.size === 0 && this.#head === null
    if (this.#isOver() || !(first || this.whole)) return false
    this.#seats.add(seat)
    return true
  }

  leave(seat: Seat): void {
    if (!this.#seats.delete(seat) || this.#isOver()) return
    if (this.#seats.size > 0) return this.#relieve()
    this.#abandoned = true
    this.#options.closed(this)
    this.#call?.abort()
  }

  /** A reader got on; may let the upstream go on. */
  progressed(): void {
    this.#relieve()
  }

  attach(call: CallHandle): void {
    this.#call = call
    if (this.#abandoned) call.abort()
  }

  /** There is no room for its call yet, and none is expected for so long, in ms; `elsewhere`: another replica waits. */
  wait(expectedMs: number, elsewhere = false): void {
    this.#expectedMs = expectedMs
    this.#waitsElsewhere = elsewhere
  }

  /** Those who stream are told that they are not forgotten. */
  keepAlive(): void {
    for (const seat of this.#seats) seat.keepAlive?.()
  }

  /** How long it was expected to wait for room, if it waits or has waited for it. */
  get expectedMs(): number | null {
    return this.#expectedMs
  }

  /** It is another replica that waits for room. */
  get waitsElsewhere(): boolean {
    return this.#waitsElsewhere
  }

  /** What a call has used whose answer was not taken; it is paid for all the same. */
  waste(usage: Usage): void {
    this.#wasted = [...this.#wasted, usage]
  }

  get wasted(): readonly Usage[] {
    return this.#wasted
  }

  open(head: FlightHead): void {
    if (this.#isOver()) return
    this.#head = head
    this.#wakeAll()
  }

  append(bytes: Buffer, usageOnly: boolean): void {
    if (this.#isOver()) return
    this.log.append({ bytes, usageOnly })
    this.#wakeAll()
    this.#relieve()
  }

  complete(facts: Facts, recording: Recording | null): void {
    if (this.#isOver()) return
    this.#end = { facts, recording }
    this.#finish()
  }

  /**
   * The source is lost and another may take its place: whoever has given nothing yet starts again.
   * False if nobody is left who could, and the flight is over.
   */
  rewind(error: LoopgateError): boolean {
    if (this.#isOver()) return false
    // Whoever takes a lost leader's place makes the one further call that there may be.
    this.#heirs = false
    this.#call = null
    this.#paused = false
    this.#head = null
    this.log.clear()
    const told: Seat[] = []
    for (const seat of this.#seats) if (!seat.rewind(error)) told.push(seat)
    for (const seat of told) this.#seats.delete(seat)
    if (this.#seats.size > 0) return true
    this.#fault = error
    this.#options.closed(this)
    return false
  }

  /** `inheritable`: whether another call may fare better, where nothing has come of this one. */
  fail(error: LoopgateError, inheritable = mayPass(error)): void {
    if (this.#isOver()) return
    this.#fault = error
    this.#inheritable = inheritable && this.#heirs && this.#isUntouched()
    this.#finish()
    this.#call?.abort()
  }

  /** Nothing of an answer has come. A document is begun with its head: what is missing of it has been paid for. */
  #isUntouched(): boolean {
    return this.log.end === 0 && this.#head?.kind !== 'document'
  }

  #isOver(): boolean {
    return this.#abandoned || this.#end !== null || this.#fault !== null
  }

  #finish(): void {
    this.#options.closed(this)
    this.#wakeAll()
    this.#seats.clear()
  }

  #wakeAll(): void {
    for (const seat of this.#seats) seat.wake()
  }

  /** Drops what nobody needs any more and holds the upstream back where that helps. */
  #relieve(): void {
    if (this.whole || this.#isOver()) return
    let slowest: Seat | null = null
    let position = this.log.end
    for (const seat of this.#seats) {
      position = Math.min(position, seat.position)
      if (slowest === null || seat.readBytes < slowest.readBytes) slowest = seat
    }
    this.log.dropBefore(position)
    const behind = slowest === null ? 0 : this.log.bytes - slowest.readBytes
    if (this.#seats.size > 1) {
      this.#hold(false)
      if (slowest !== null && behind > this.#options.capBytes) slowest.drop()
    } else if (behind > PAUSE_BYTES) this.#hold(true)
    else if (behind < RESUME_BYTES) this.#hold(false)
  }

  #hold(wanted: boolean): void {
    if (wanted === this.#paused || this.#call === null) return
    this.#paused = wanted
    if (wanted) this.#call.pause()
    else this.#call.resume()
  }
}

/**
 * Whether the same request may fare better at once: not if it is at fault, nor if the upstream asks for
 * time. A deadline is the own of whoever set it; others who wait may have a later one.
 */
function mayPass({ code, retryable, retryAfterMs }: LoopgateError): boolean {
  return code === 'LG_DEADLINE' || (retryable && retryAfterMs === null)
}
