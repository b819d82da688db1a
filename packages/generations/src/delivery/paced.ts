import { splitEvents } from '@loopgate/cerebras'
import type { Clock } from '@loopgate/service-kit'
import type { Sink } from '../types.ts'

/** Below this a timer would be asked for more than it can do; several events are written together. */
const TICK_MS = 5

/**
 * Gives a whole stream event by event at a pace. Events that are due together are written together,
 * so the pace holds however fast it is. Stops when `left` says that the caller has gone.
 */
export function paced(
  sink: Sink,
  { clock, left }: { clock: Clock; left: () => boolean },
  eventsPerSecond: number,
): Sink {
  const events: Buffer[] = []
  let given = 0
  let beganAt = 0
  let blocked = false
  sink.on('drain', () => {
    if (!blocked) return
    blocked = false
    give()
  })

  return {
    write(bytes) {
      events.push(...splitEvents(bytes))
      return true
    },
    end() {
      beganAt = clock.now()
      give()
    },
    destroy: () => sink.destroy(),
    on: (event, listener) => sink.on(event, listener),
  }

  function give(): void {
    if (left() || blocked) return
    const due = 1 + Math.floor(((clock.now() - beganAt) / 1000) * eventsPerSecond)
    if (due > given) {
      const now = events.slice(given, due)
      given += now.length
      blocked = !sink.write(Buffer.concat(now))
    }
    if (given >= events.length) return void sink.end()
    if (blocked) return
    const waitMs = (given / eventsPerSecond) * 1000 - (clock.now() - beganAt)
    clock.after(Math.max(TICK_MS, waitMs), give)
  }
}
