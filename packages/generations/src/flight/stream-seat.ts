import { atEndOfTurn, fault, type LoopgateError } from '@loopgate/service-kit'
import { errorChunk } from '../shape/error-chunk.ts'
import type { Sink } from '../types.ts'
import type { Flight, FlightHead } from './flight.ts'
import type { Flushable, Flusher } from './flusher.ts'
import type { OwnedSeat, Owner } from './owner.ts'
import { streamOf } from './shapes.ts'

const LF = 0x0a
const CR = 0x0d
/** A comment: clients and proxies see that the connection lives, and no reader of events sees anything. */
const KEEP_ALIVE = Buffer.from(': waiting\n\n')
const BLANK_LINE = Buffer.from('\n\n')
/** So much is worth a write of its own; holding it back would only keep the socket's buffers alive. */
const ENOUGH_BYTES = 4 * 1024
/** Blocks of at most this size are copied together; larger ones are passed on as they are. */
const SMALL_BYTES = 2 * 1024
/** And up to about this size: a turn's worth of single chunks. */
const TOGETHER_BYTES = 16 * 1024

/**
 * The seat of a caller that wants a stream: it gives what comes, from the beginning, at the pace at
 * which the caller takes it. The first chunk goes out at once; those that follow it closely go out
 * together. From a flight that yields a document it makes a stream at the end.
 */
export class StreamSeat implements OwnedSeat, Flushable {
  position = 0
  readBytes = 0
  readonly #flight: Flight
  readonly #owner: Owner
  readonly #flusher: Flusher
  #sink: Sink | null = null
  /** Set when there is nothing to relay: the stream as a whole. */
  #whole: Buffer | null = null
  #given = false
  #over = false
  #blocked = false
  #waiting = false
  #due = false
  #first: Buffer | null = null
  #latest: Buffer | null = null

  constructor(flight: Flight, owner: Owner, flusher: Flusher) {
    this.#flight = flight
    this.#owner = owner
    this.#flusher = flusher
  }

  wake(): void {
    if (this.#over) return
    if (this.#given) return this.#relayMore()
    const { head, end, fault: failed } = this.#flight
    if (failed !== null) return this.#finish(failed)
    const relays = head !== null && isRelayed(head)
    if (!relays && end === null) return
    this.#given = true
    if (!relays && end !== null) {
      this.#whole = streamOf(this.#owner, this.#flight, end)
      this.#give()
      // The status alone says nothing about a stream: an error right behind it can still be an
      // ordinary reply. So it is given when what came with the head has been read.
    } else queueMicrotask(() => this.#give())
  }

  #give(): void {
    if (this.#over) return
    const { fault: failed, log } = this.#flight
    if (failed !== null && log.end === 0) return this.#finish(failed)
    this.#owner.give({ kind: 'stream', pipe: (sink) => this.#pipe(sink) })
  }

  /** Begins the reply, whose status is then said, so that nobody on the way takes the silence for death. */
  keepAlive(): void {
    if (this.#over || this.#latest !== null) return
    if (this.#sink !== null) {
      this.#sink.write(KEEP_ALIVE)
    } else if (!this.#given) {
      this.#given = true
      this.#owner.give({
        kind: 'stream',
        pipe: (sink) => {
          sink.write(KEEP_ALIVE)
          this.#pipe(sink)
          return true
        },
      })
    }
  }

  flush(): void {
    this.#waiting = false
    this.#pump()
  }

  drop(): void {
    // A socket that ends without its last chunk is an error to every client: no truncated success.
    this.#sink?.destroy()
    this.leave()
  }

  rewind(error: LoopgateError): boolean {
    if (this.#over) return false
    this.position = 0
    this.readBytes = 0
    if (this.#latest === null || this.#sink === null) return true
    this.#tell(this.#sink, error)
    this.#finish(error)
    return false
  }

  leave(): void {
    this.#finish(fault('LG_CLIENT_CLOSED'))
    this.#flight.leave(this)
  }

  /** Starts giving to the caller; true if something was written at once. */
  #pipe(sink: Sink): boolean {
    if (this.#over) return true
    if (this.#whole !== null) return this.#giveWhole(sink, this.#whole)
    this.#sink = sink
    sink.on('drain', () => {
      this.#blocked = false
      this.#pump()
    })
    this.#pump()
    return this.#latest !== null
  }

  #giveWhole(sink: Sink, bytes: Buffer): boolean {
    this.#owner.began()
    sink.write(bytes)
    sink.end()
    this.#finish(null)
    return true
  }

  /** More has come: at once if it is the first, the last or enough, else together with what follows closely. */
  #relayMore(): void {
    const { end, fault: failed } = this.#flight
    const enough = this.#flight.log.bytes - this.readBytes >= ENOUGH_BYTES
    if (this.#latest === null || enough || end !== null || failed !== null) return this.#pumpThisTurn()
    if (this.#waiting || this.#blocked) return
    this.#waiting = true
    this.#flusher.soon(this)
  }

  /**
   * Gives all that one read of the upstream brought at once, the end included: Node sends what is
   * written to a response within one turn in a single system call.
   */
  #pumpThisTurn(): void {
    if (this.#due) return
    this.#due = true
    atEndOfTurn(() => {
      this.#due = false
      this.#pump()
    })
  }

  #pump(): void {
    const sink = this.#sink
    if (sink === null || this.#over) return
    const { head, end } = this.#flight
    if (head !== null && !isRelayed(head)) {
      // It began as a stream, and whoever took over has a stored answer or a document.
      if (end !== null) this.#giveWhole(sink, streamOf(this.#owner, this.#flight, end))
      else if (this.#flight.fault !== null) this.#conclude(sink)
      return
    }
    const before = this.position
    while (!this.#blocked) {
      const bytes = this.#next()
      if (bytes === null) break
      this.#write(sink, bytes)
    }
    if (this.position > before) this.#flight.progressed()
    if (!this.#blocked && this.position === this.#flight.log.end) this.#conclude(sink)
  }

  /** The next block that this caller is to have, small ones together; null if nothing waits. */
  #next(): Buffer | null {
    const first = this.#take(Number.POSITIVE_INFINITY)
    if (first === null || first.length > SMALL_BYTES) return first
    let size = first.length
    let pieces: Buffer[] | null = null
    for (let more = this.#take(SMALL_BYTES); more !== null; more = this.#take(SMALL_BYTES)) {
      ;(pieces ??= [first]).push(more)
      size += more.length
      if (size > TOGETHER_BYTES) break
    }
    return pieces === null ? first : Buffer.concat(pieces, size)
  }

  /** A block of at most this size. */
  #take(maxBytes: number): Buffer | null {
    for (let block = this.#flight.log.at(this.position); block; block = this.#flight.log.at(this.position)) {
      const wanted = !block.usageOnly || this.#owner.includeUsage
      if (wanted && block.bytes.length > maxBytes) return null
      this.position++
      this.readBytes += block.bytes.length
      if (wanted) return block.bytes
    }
    return null
  }

  #write(sink: Sink, bytes: Buffer): void {
    if (this.#first === null) {
      this.#first = bytes
      this.#owner.began()
    }
    this.#latest = bytes
    this.#blocked = !sink.write(bytes)
  }

  #conclude(sink: Sink): void {
    const { fault: failed, end } = this.#flight
    if (failed !== null) this.#tell(sink, failed)
    else if (end === null) return
    else sink.end()
    this.#finish(failed)
  }

  /** A fault in band, as the last that the caller gets. */
  #tell(sink: Sink, error: LoopgateError): void {
    if (this.#latest !== null && !endsEvent(this.#latest)) sink.write(BLANK_LINE)
    sink.write(errorChunk(this.#owner.surface, this.#first, error))
    sink.end()
  }

  #finish(error: LoopgateError | null): void {
    if (this.#over) return
    this.#over = true
    this.#owner.over(error)
  }
}

/** Whether a stream can be passed on as it comes. */
function isRelayed({ kind, source }: FlightHead): boolean {
  return kind === 'stream' && source !== 'cache'
}

/** Whether bytes end with a blank line, so that another event may follow. */
function endsEvent(bytes: Buffer): boolean {
  const last = bytes.at(-1)
  const previous = bytes.at(-2)
  if (last === CR) return previous === CR || previous === LF
  return last === LF && (previous === LF || (previous === CR && bytes.at(-3) === LF))
}
