/** What `GET /__sim/stats` tells. */
export type Stats = {
  /** Every POST of a completion that reached the simulator, whatever the answer: 401, 400, 429 and faults count. */
  readonly requests: number
  /** Those answered by an event stream. */
  readonly streams: number
  /** Those not yet answered in full. */
  readonly inFlight: number
  /** Those whose client left before the answer was complete; breaks made by a fault do not count. */
  readonly aborted: number
  /** Requests by model, counted once the body proved valid and the model known; faults and 429 included. */
  readonly byModel: Readonly<Record<string, number>>
}

export type StatsRecorder = {
  readonly requested: () => void
  readonly streamed: () => void
  readonly named: (model: string) => void
  readonly ended: (how: 'complete' | 'aborted') => void
  readonly read: () => Stats
  /** Zeroes all but `inFlight`, which is a fact and not a count. */
  readonly reset: () => void
}

export function createStats(): StatsRecorder {
  let requests = 0
  let streams = 0
  let inFlight = 0
  let aborted = 0
  let byModel = new Map<string, number>()

  return {
    requested: () => {
      requests += 1
      inFlight += 1
    },
    streamed: () => {
      streams += 1
    },
    named: (model) => {
      byModel.set(model, (byModel.get(model) ?? 0) + 1)
    },
    ended: (how) => {
      inFlight -= 1
      if (how === 'aborted') aborted += 1
    },
    read: () => ({ requests, streams, inFlight, aborted, byModel: Object.fromEntries(byModel) }),
    reset: () => {
      requests = 0
      streams = 0
      aborted = 0
      byModel = new Map()
    },
  }
}
