import type { Waiting } from './types.ts'

/** Those of one flow, first come first served; one that comes back stands before all others. */
export class Line<T extends Waiting> {
  tokens = 0
  readonly #returned = new Set<T>()
  readonly #waiting = new Set<T>()

  get size(): number {
    return this.#returned.size + this.#waiting.size
  }

  add(item: T, first: boolean): void {
    const into = first ? this.#returned : this.#waiting
    into.add(item)
    this.tokens += item.tokens
  }

  /** False if it is not here. */
  delete(item: T): boolean {
    if (!this.#returned.delete(item) && !this.#waiting.delete(item)) return false
    this.tokens -= item.tokens
    return true
  }

  peek(): T | undefined {
    for (const item of this.#returned) return item
    for (const item of this.#waiting) return item
    return undefined
  }
}
