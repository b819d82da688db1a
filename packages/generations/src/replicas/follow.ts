import type { CallHandle, Peers, Receiver } from '@loopgate/cerebras'
import { type Clock, fault, type LoopgateError } from '@loopgate/service-kit'
import { type Flight, KEEP_ALIVE_MS } from '../flight/flight.ts'
import { record } from '../flight/record.ts'
import type { Kind } from '../shape/recording.ts'
import { FrameReader, type FrameTaker, type PeerEnd, type PeerHead } from './frames.ts'

export type Followed = {
  readonly address: string
  readonly path: string
  readonly headers: readonly string[]
}

/**
 * Feeds a flight from the replica that leads it: the same blocks, the same facts, the same fault.
 * `lost` is told once if the leader is gone, or refuses, before that.
 */
export function follow(
  { peers, clock }: { peers: Peers; clock: Clock },
  flight: Flight,
  { address, path, headers }: Followed,
  lost: (error: LoopgateError) => void,
): void {
  const follower = new Follower(flight, clock, lost)
  const call = peers.open({ address, path, headers, receiver: follower })
  follower.take(call)
}

class Follower implements Receiver, FrameTaker {
  readonly #flight: Flight
  readonly #clock: Clock
  readonly #lost: (error: LoopgateError) => void
  readonly #reader = new FrameReader(this)
  #call: CallHandle | null = null
  #kind: Kind = 'document'
  #over = false
  #toldAtMs: number

  constructor(flight: Flight, clock: Clock, lost: (error: LoopgateError) => void) {
    this.#flight = flight
    this.#clock = clock
    this.#lost = lost
    this.#toldAtMs = clock.now()
  }

  take(call: CallHandle): void {
    this.#call = call
    if (this.#over) call.abort()
    else this.#flight.attach(call)
  }

  onBytes(bytes: Buffer): void {
    if (this.#over) return
    try {
      this.#reader.push(bytes)
    } catch (error) {
      this.#giveUp(error)
    }
  }

  /** The reply's own head says nothing; the flight's comes in a frame. */
  onHead(): void {}

  onEnd(): void {
    this.#giveUp(new Error('the stream between replicas was cut'))
  }

  onFault(error: LoopgateError): void {
    this.#giveUp(error)
  }

  head({ kind, fallback }: PeerHead): void {
    this.#kind = kind
    this.#flight.open({
      source: 'peer',
      kind,
      headers: {},
      at: this.#clock.now(),
      ageSeconds: null,
      attempts: 0,
      queueMs: 0,
      ...(fallback !== undefined && { fallback }),
    })
  }

  block(bytes: Buffer, usageOnly: boolean): void {
    this.#flight.append(bytes, usageOnly)
  }

  /** The leader waits: so do those who stream here, and they are told now and then. */
  alive(expectedMs: number | null): void {
    if (expectedMs !== null) this.#flight.wait(expectedMs, true)
    if (this.#flight.head !== null || this.#clock.now() - this.#toldAtMs < KEEP_ALIVE_MS) return
    this.#toldAtMs = this.#clock.now()
    this.#flight.keepAlive()
  }

  end(facts: PeerEnd): void {
    this.#over = true
    this.#flight.complete(facts, this.#flight.whole ? record(this.#kind, this.#flight.log, facts) : null)
  }

  fault(error: LoopgateError, inheritable: boolean): void {
    this.#over = true
    this.#flight.fail(error, inheritable)
  }

  #giveUp(cause: unknown): void {
    if (this.#over) return
    this.#over = true
    this.#call?.abort()
    this.#lost(fault('LG_REPLICA_LOST', { cause }))
  }
}
