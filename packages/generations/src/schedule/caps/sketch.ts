/** Each bucket of the sketch reaches this much further than the one before: a quantile is at most 10 % too high. */
const BASE = 1.1
/** 1.1 ^ 125 is above 131,072, the longest answer there is. */
const BUCKETS = 126
/** Once so many have been counted the old ones count half: what a loop asks for changes. */
const MEMORY = 1024

/** Lengths of answers, as a histogram on a logarithmic scale; half a kilobyte, whatever is added. */
export class Sketch {
  #count = 0
  readonly #counts = new Float32Array(BUCKETS)

  get count(): number {
    return this.#count
  }

  add(length: number): void {
    const bucket = length <= 1 ? 0 : Math.min(BUCKETS - 1, Math.ceil(Math.log(length) / Math.log(BASE)))
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
    this.#count++
    if (this.#count < MEMORY) return
    this.#count = 0
    for (let at = 0; at < BUCKETS; at++) this.#count += this.#counts[at] = (this.#counts[at] ?? 0) / 2
  }

  /** A length that at least this part of the answers does not exceed. */
  quantile(part: number): number {
    let left = this.#count * part
    for (let at = 0; at < BUCKETS; at++) {
      left -= this.#counts[at] ?? 0
      if (left <= 1e-6) return Math.ceil(BASE ** at)
    }
    return Math.ceil(BASE ** (BUCKETS - 1))
  }
}
