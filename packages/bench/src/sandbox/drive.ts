/** How a subject did: one at a time, and with as many at once as saturate the cores. */
export type Drive = {
  readonly count: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly perSecond: number
}

/** Executions at once where the cores are to be saturated: twice the two cores, as a runner has slots. */
const WIDTH = 4
/** Pause between two of the first kind, so that what is prepared between them is: a caller that waits for nothing else. */
const PAUSE_MS = 5

/**
 * @param pauseMs between two alone. To be longer where what is prepared takes more CPU time than that, or the cores
 * are saturated by it and each run competes with the next one's preparation
 * @throws what a run throws: a wrong result is never counted
 */
export async function drive(once: () => Promise<void>, seconds: number, pauseMs = PAUSE_MS): Promise<Drive> {
  const alone = await latencies(once, seconds, pauseMs)
  let count = 0
  const begunMs = performance.now()
  const untilMs = begunMs + seconds * 1000
  const worker = async () => {
    while (performance.now() < untilMs) {
      await once()
      count += 1
    }
  }
  await Promise.all(Array.from({ length: WIDTH }, worker))
  const perSecond = (count * 1000) / (performance.now() - begunMs)
  const at = (share: number) => alone[Math.min(alone.length - 1, Math.floor(alone.length * share))] ?? 0
  return { count: count + alone.length, p50Ms: at(0.5), p99Ms: at(0.99), perSecond }
}

async function latencies(once: () => Promise<void>, seconds: number, pauseMs: number): Promise<number[]> {
  const times: number[] = []
  for (const untilMs = performance.now() + seconds * 1000; performance.now() < untilMs;) {
    const begunMs = performance.now()
    await once()
    times.push(performance.now() - begunMs)
    await new Promise<void>((resolve) => void setTimeout(resolve, pauseMs))
  }
  return times.toSorted((a, b) => a - b)
}
