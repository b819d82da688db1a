import type { Priority } from '@loopgate/contracts'
import { PriorityClass } from './class.ts'
import { type Ahead, type Flow, PRIORITIES, type Waiting } from './types.ts'

export type FairQueueOptions = { readonly maxRequests: number; readonly maxBytes: number }

/** What of all room a class may fill, so that the less urgent never leaves no place for the more urgent. */
const ROOM: Readonly<Record<Priority, number>> = { interactive: 1, loop: 0.9, batch: 0.5 }
/** Share of the tokens of more urgent classes that one which waits is owed at first; it doubles with each step of age. */
const LEAST_SHARE = 1 / 16
const MOST_SHARE = 1 / 2
const AGEING_MS = 10_000

/**
 * Those who wait for the upstream: by class of urgency, in a class by tenant, of a tenant by flow; first
 * come first served only within a flow. A pure structure: it knows no time but what it is told, and
 * nothing of buckets. A less urgent class is owed a share of what the more urgent ones take while it
 * waits, more with its age, so none starves and none is held up by a backlog below it.
 */
export class FairQueue<T extends Waiting> {
  bytes = 0
  readonly #options: FairQueueOptions
  readonly #classes: Readonly<Record<Priority, PriorityClass<T>>>
  /** Tokens that a class is owed. */
  readonly #owed: Record<Priority, number> = { interactive: 0, loop: 0, batch: 0 }

  constructor(options: FairQueueOptions) {
    this.#options = options
    this.#classes = {
      interactive: new PriorityClass<T>(),
      loop: new PriorityClass<T>(),
      batch: new PriorityClass<T>(),
    }
  }

  get size(): number {
    return PRIORITIES.reduce((sum, priority) => sum + this.#classes[priority].size, 0)
  }

  sizeOf(priority: Priority): number {
    return this.#classes[priority].size
  }

  /** Whether there is a place for one more. */
  hasRoom({ priority, bytes }: Pick<Waiting, 'priority' | 'bytes'>): boolean {
    const { maxRequests, maxBytes } = this.#options
    return this.size + 1 <= maxRequests * ROOM[priority] && this.bytes + bytes <= maxBytes * ROOM[priority]
  }

  /** Adds one; `first` puts it before all others of its flow, as one that has been served before. */
  add(item: T, first = false): void {
    this.#classes[item.priority].add(item, first)
    this.bytes += item.bytes
  }

  /** One that waits no longer; false if it did not. */
  delete(item: T): boolean {
    if (!this.#classes[item.priority].delete(item)) return false
    this.bytes -= item.bytes
    this.#forget(item.priority)
    return true
  }

  /** Who is next; the same until something changes. */
  peek(): T | undefined {
    return this.#next()?.peek()
  }

  /** Takes out the one that `peek` gave. */
  take(item: T, nowMs: number): void {
    const { priority } = item
    this.#classes[priority].take(item)
    this.bytes -= item.bytes
    if (this.#owed[priority] > 0) this.#owed[priority] -= item.tokens
    for (const below of PRIORITIES.slice(PRIORITIES.indexOf(priority) + 1)) {
      const oldestMs = this.#classes[below].oldestMs()
      if (oldestMs === undefined) continue
      this.#owed[below] += item.tokens * shareAt(nowMs - oldestMs)
    }
    this.#forget(priority)
  }

  /** Tokens that one which was taken out did not use. */
  give(item: Flow, tokens: number): void {
    this.#classes[item.priority].give(item, tokens)
  }

  /** What a new one would have before it, more urgent classes included. */
  ahead(item: Flow): Ahead {
    let { tokens, requests } = this.#classes[item.priority].ahead(item)
    for (const above of PRIORITIES.slice(0, PRIORITIES.indexOf(item.priority))) {
      tokens += this.#classes[above].tokens
      requests += this.#classes[above].size
    }
    return { tokens, requests }
  }

  #next(): PriorityClass<T> | undefined {
    for (const priority of PRIORITIES) {
      const first = this.#classes[priority].peek()
      if (first !== undefined && this.#owed[priority] >= first.tokens) return this.#classes[priority]
    }
    return PRIORITIES.map((priority) => this.#classes[priority]).find(({ size }) => size > 0)
  }

  /** A class in which nobody waits is owed nothing. */
  #forget(priority: Priority): void {
    if (this.#classes[priority].size === 0) this.#owed[priority] = 0
  }
}

function shareAt(ageMs: number): number {
  return Math.min(MOST_SHARE, LEAST_SHARE * 2 ** Math.floor(Math.max(0, ageMs) / AGEING_MS))
}
