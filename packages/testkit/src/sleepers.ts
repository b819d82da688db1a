import { executionResultSchema, runnerListSchema, type ExecutionResult, type RunnerView } from '@loopgate/contracts'
import { until } from './until.ts'

/** A gateway, by its door. */
export type Door = { readonly url: string; readonly apiKey: string; readonly adminKey: string }

/** Long enough for twenty interpreters to start on a busy machine. */
const WITHIN_MS = 60_000

export const eventually = (holds: () => boolean | Promise<boolean>): Promise<void> => until(holds, WITHIN_MS)

/** How a call ended: with a result, with a code, or cut. */
export type Ending = {
  readonly index: number
  readonly result: ExecutionResult | null
  readonly failure: string | null
}

/** Text that is in the command line of every process of the program and of no other. */
export const marker = (seconds: number): string =>
  `${seconds}.${String(Math.floor(Math.random() * 1e9)).padStart(9, '0')}`

/** Prints its number, then sleeps under its marker. */
export function sleepers(door: Door, count: number, sleep: string): { readonly ends: Promise<Ending[]> } {
  const program = (index: number): string =>
    `import os\nprint(${index}, flush=True)\nos.execv("/bin/sleep", ["sleep", "${sleep}"])`
  const run = async (index: number): Promise<Ending> => {
    try {
      const reply = await fetch(`${door.url}/api/executions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${door.apiKey}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          language: 'python',
          files: [{ path: 'main.py', content: program(index) }],
          limits: { wallMs: 60_000 },
        }),
      })
      const json: unknown = await reply.json()
      if (reply.ok) return { index, result: executionResultSchema.parse(json), failure: null }
      return { index, result: null, failure: String((json as { code?: unknown }).code) }
    } catch {
      return { index, result: null, failure: 'cut' }
    }
  }
  return { ends: Promise.all(Array.from({ length: count }, (_, index) => run(index))) }
}

export async function runnersOf(door: Door): Promise<RunnerView[]> {
  const reply = await fetch(`${door.url}/api/runners`, { headers: { authorization: `Bearer ${door.adminKey}` } })
  return runnerListSchema.parse(await reply.json()).runners
}

/** Whether no slot of any runner is taken, by whatever replica. */
export const allSlotsBack = async (door: Door): Promise<boolean> => {
  const runners = await runnersOf(door)
  return runners.length > 0 && runners.every(({ busySlots, running }) => busySlots === 0 && running === 0)
}
