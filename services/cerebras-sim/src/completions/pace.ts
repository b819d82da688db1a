import type { Clock } from '@loopgate/service-kit'
import type { Call } from './call.ts'
import type { StreamEvent } from './envelope.ts'

/** Writes are at least this far apart: several chunks share one, as they do on the real wire. */
const TICK_MS = 4

export type Pace = {
  /** Runs `action` after `ms`, or never if the call ends first. Immediately when not paced. */
  readonly wait: (call: Call, ms: number, action: () => void) => void
  /** Writes the events as their tokens come due and then runs `written`; all at once when not paced. */
  readonly write: (call: Call, events: readonly StreamEvent[], written: () => void) => void
}

/** The speed at which answers leave: `tokensPerSecond` of decoding, 0 for as fast as possible. */
export function createPace({ clock }: { readonly clock: Clock }, tokensPerSecond: number): Pace {
  return tokensPerSecond === 0 ? UNPACED : paced(clock, tokensPerSecond)
}

const UNPACED: Pace = {
  wait: (_call, _ms, action) => action(),
  write: (call, events, written) => {
    if (events.length > 0) call.response.write(join(events))
    written()
  },
}

const join = (events: readonly StreamEvent[]): string => events.map((event) => event.text).join('')

function paced(clock: Clock, tokensPerSecond: number): Pace {
  const wait: Pace['wait'] = (call, ms, action) => {
    const cancel = clock.after(Math.ceil(ms), () => {
      if (call.isOpen()) action()
    })
    call.whenEnded(cancel)
  }

  const write: Pace['write'] = (call, events, written) => {
    const startMs = clock.now()
    let next = 0
    let tokens = 0
    let cancel = (): void => undefined
    call.whenEnded(() => cancel())

    const step = (): void => {
      if (!call.isOpen()) return
      const elapsedMs = clock.now() - startMs
      const dueTokens = (elapsedMs / 1000) * tokensPerSecond
      const first = next
      for (let event = events[next]; event !== undefined; event = events[next]) {
        if (tokens + event.tokens > dueTokens) break
        tokens += event.tokens
        next += 1
      }
      if (next > first) call.response.write(join(events.slice(first, next)))
      const upcoming = events[next]
      if (upcoming === undefined) return written()
      const dueMs = ((tokens + upcoming.tokens) / tokensPerSecond) * 1000
      cancel = clock.after(Math.ceil(Math.max(TICK_MS, dueMs - elapsedMs)), step)
    }
    step()
  }

  return { wait, write }
}
