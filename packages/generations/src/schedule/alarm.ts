import type { Clock } from '@loopgate/service-kit'

/** Rings once, at the soonest of the times that it was set to since it last rang. */
export class Alarm {
  readonly #clock: Clock
  readonly #ring: () => void
  #set: { readonly atMs: number; readonly cancel: () => void } | null = null

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock
    this.#ring = ring
  }

  /** In so many ms at the latest. */
  within(ms: number): void {
    const atMs = this.#clock.now() + ms
    if (this.#set !== null && this.#set.atMs <= atMs) return
    this.#set?.cancel()
    const cancel = this.#clock.after(ms, () => {
      this.#set = null
      this.#ring()
    })
    this.#set = { atMs, cancel }
  }

  cancel(): void {
    this.#set?.cancel()
    this.#set = null
  }
}
