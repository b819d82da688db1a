import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { TERMINAL_STATES, type LoopEvent } from '@loopgate/contracts'
import type { LoopStore } from '@loopgate/loop-store'
import type { Clock } from '@loopgate/service-kit'
import type { Drain } from '../operations/drain.ts'

/** Events read and written at once. */
const PAGE = 200
/** A comment goes out at least this often, so that no proxy takes the stream for dead; and the loop is read again. */
const KEEP_ALIVE_MS = 10_000

/** An event as server-sent event; `id` is what the client sends back as Last-Event-ID. */
function formatEvent(event: LoopEvent): string {
  return `id: ${event.seq}\nevent: ${event.event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

const endsLoop = ({ event }: LoopEvent): boolean => event.type === 'state' && TERMINAL_STATES.has(event.state)

export type EventStreamDeps = { readonly store: LoopStore; readonly drain: Drain; readonly clock: Clock }

/**
 * Writes the events of a loop after `seq` to a response whose headers are out, until the loop has
 * ended, the reader has left or the process drains. A slow reader is waited for, never buffered for.
 * Rejects if the store fails; the reader may then go on elsewhere from the last id it saw.
 */
export async function pumpEvents(
  { store, drain, clock }: EventStreamDeps,
  id: string,
  seq: number,
  response: ServerResponse,
): Promise<void> {
  let wake: () => void = () => {}
  let news = false
  const notify = (): void => {
    news = true
    wake()
  }
  const over = (): boolean => response.destroyed || drain.started
  const next = async (): Promise<boolean> => {
    if (news || over()) return true
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const stopTimer = clock.after(KEEP_ALIVE_MS, () => resolve(false))
    wake = () => resolve(true)
    const heard = await promise
    stopTimer()
    return heard
  }

  // Subscribed before the first read, so that nothing falls between the two.
  const unsubscribe = await store.onEvents(id, notify)
  const stopDrain = drain.onStart(() => wake())
  response.once('close', () => wake())
  try {
    let last = seq
    while (!over()) {
      news = false
      const events = await store.eventsAfter(id, last, PAGE)
      for (const event of events) last = event.seq
      if (events.length > 0) await write(response, events.map(formatEvent).join(''))
      if (events.some(endsLoop)) return
      if (events.length === 0 && !(await next())) {
        await write(response, ': keep-alive\n\n')
        if ((await store.get(id)) === null) return
      }
    }
  } finally {
    stopDrain()
    unsubscribe()
  }
}

async function write(response: ServerResponse, text: string): Promise<void> {
  if (response.destroyed || response.write(text)) return
  const left = new AbortController()
  response.once('close', () => left.abort())
  await once(response, 'drain', { signal: left.signal }).catch(() => {})
}
