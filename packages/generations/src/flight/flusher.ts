import type { Clock } from '@loopgate/service-kit'

/** Something that has bytes waiting. */
export type Flushable = { readonly flush: () => void }

export type Flusher = { readonly soon: (item: Flushable) => void }

/**
 * How long a chunk may wait for others to be written with it. At 2,500 tokens a second some five
 * chunks come in this time; a write for each costs more than all else that is done for it.
 */
const WAIT_MS = 2

/** One timer for all streams of the process; it runs only while something waits. */
export function createFlusher(clock: Clock): Flusher {
  let waiting: Flushable[] = []
  return {
    soon(item) {
      waiting.push(item)
      if (waiting.length === 1) clock.after(WAIT_MS, flush)
    },
  }

  function flush(): void {
    const due = waiting
    waiting = []
    for (const item of due) item.flush()
  }
}
