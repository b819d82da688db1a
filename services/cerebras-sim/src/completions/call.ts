import type { ServerResponse } from 'node:http'
import type { StatsRecorder } from '../control/stats.ts'

type Ending = 'complete' | 'aborted'

/** The life of one request for a completion, from its headers to the end of its answer. */
export type Call = {
  readonly response: ServerResponse
  /** False once the answer is complete or the client has left: nothing may be written any more. */
  readonly isOpen: () => boolean
  /** Registers what must happen when the call ends, whichever way. */
  readonly whenEnded: (action: (how: Ending) => void) => void
  /** The answer is complete, or broken on purpose. Harmless when repeated. */
  readonly end: () => void
}

/** Counts the request in, and out again whichever way it ends. */
export function beginCall(response: ServerResponse, stats: StatsRecorder): Call {
  const actions: Array<(how: Ending) => void> = []
  let open = true
  stats.requested()

  const close = (how: Ending): void => {
    if (!open) return
    open = false
    stats.ended(how)
    for (const action of actions) action(how)
  }
  response.once('close', () => close('aborted'))

  return {
    response,
    isOpen: () => open,
    whenEnded: (action) => {
      actions.push(action)
    },
    end: () => close('complete'),
  }
}
