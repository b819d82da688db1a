import { setTimeout as delay } from 'node:timers/promises'

const POLL_MS = 5

/**
 * Waits for a state of the machine or of another process that no event tells of.
 * @throws Error when it has not come about within `withinMs`
 */
export async function until(holds: () => boolean | Promise<boolean>, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`did not come about within ${withinMs / 1000} s`)
    await delay(POLL_MS)
  }
}
