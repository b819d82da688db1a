import { setTimeout as delay } from 'node:timers/promises'
import type { ExecutionRequest } from '@loopgate/contracts'
import type { Sandbox } from '@loopgate/sandbox'
import type { Load } from './loads.ts'

/** What one stretch of time gave. */
export type Stretch = {
  readonly canaryMs: readonly number[]
  /** Runs of the load that came to their end. */
  readonly runs: number
  readonly runMs: number
  readonly cpuMs: number
  readonly wallMs: number
}

/** Pause between two canaries. */
const CANARY_EVERY_MS = 20

/**
 * Runs canaries one after another for a while, with a load beside them where there is one.
 * @throws Error if a canary is not served as it should be, or the load meets a fault of the runner
 */
export async function stretch(
  sandbox: Sandbox,
  canary: ExecutionRequest,
  load: Load | null,
  seconds: number,
): Promise<Stretch> {
  const over = new AbortController()
  const told = { runs: 0, runMs: 0, cpuMs: 0 }
  const lane = async (which: Load): Promise<void> => {
    while (!over.signal.aborted) {
      const begunMs = performance.now()
      const options = { executionId: 'load', tenant: 'hostile', signal: over.signal }
      const result = await sandbox.execute(which.request, options)
      if (result.outcome === 'internal_error') throw new Error(`${which.name}: ${result.message ?? 'no reason'}`)
      told.runs += 1
      told.runMs += performance.now() - begunMs
      told.cpuMs += result.cpuMs ?? 0
    }
  }
  const lanes = load === null ? [] : Array.from({ length: load.lanes }, () => lane(load))
  // The last run is cut off; any other failure ends the stretch.
  const loading = Promise.all(lanes).catch((error: unknown) => {
    if (!over.signal.aborted) throw error
  })
  const begunMs = performance.now()
  try {
    const canaryMs = await Promise.race([canaries(sandbox, canary, seconds), loading.then(() => never)])
    return { canaryMs, ...told, wallMs: performance.now() - begunMs }
  } finally {
    over.abort()
    await Promise.allSettled(lanes)
  }
}

const never = new Promise<never>(() => {})

async function canaries(sandbox: Sandbox, request: ExecutionRequest, seconds: number): Promise<number[]> {
  const times: number[] = []
  for (const untilMs = performance.now() + seconds * 1000; performance.now() < untilMs;) {
    const begunMs = performance.now()
    const { signal } = new AbortController()
    const result = await sandbox.execute(request, { executionId: 'canary', tenant: 'canary', signal })
    times.push(performance.now() - begunMs)
    if (result.outcome !== 'ok' || result.stdout !== 'canary\n')
      throw new Error(`the canary ended ${result.outcome}: ${result.message ?? result.stderr}`)
    await delay(CANARY_EVERY_MS)
  }
  return times
}
