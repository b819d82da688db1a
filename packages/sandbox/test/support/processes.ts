import { until as untilWithin } from '@loopgate/testkit/until'
import { randomInt } from 'node:crypto'

export { processesWith } from '@loopgate/testkit/processes'

/** A number of seconds that no other `sleep` on this machine is given: its process can be found by it. */
export function newMarker(): string {
  return `${randomInt(10_000, 100_000)}.${randomInt(100_000, 1_000_000)}`
}

/** Waits for a state of the machine that no event tells of. */
export const until = (holds: () => boolean, withinMs = 30_000): Promise<void> => untilWithin(holds, withinMs)
