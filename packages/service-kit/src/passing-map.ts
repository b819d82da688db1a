/**
 * A map of what comes and goes by the thousand. V8 replaces the table of a Map (or Set) every so many
 * changes and ties each old table to the next. Once one old table has left the young generation, all
 * later ones, with everything that was ever in them, survive until the next full collection: 8 KB
 * a call, and a quarter of a busy gateway's CPU time. Here a removed value is let go at once; keys should be small.
 */
export class PassingMap<K extends string | number, V extends object> {
  readonly #boxes = new Map<K, { value: V | null }>()

  get size(): number {
    return this.#boxes.size
  }

  get(key: K): V | undefined {
    return this.#boxes.get(key)?.value ?? undefined
  }

  set(key: K, value: V): void {
    this.delete(key)
    this.#boxes.set(key, { value })
  }

  /** False if it was not there. */
  delete(key: K): boolean {
    const box = this.#boxes.get(key)
    if (box === undefined) return false
    box.value = null
    return this.#boxes.delete(key)
  }

  /** All values in the order in which they came; those that go meanwhile are left out. */
  *values(): Generator<V> {
    for (const { value } of this.#boxes.values()) if (value !== null) yield value
  }
}
