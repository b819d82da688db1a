import { until as untilWithin } from '@loopgate/testkit/until'
import { randomInt } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'

/** A number of seconds that no other `sleep` on this machine is given: its process can be found by it. */
export function newMarker(): string {
  return `${randomInt(10_000, 100_000)}.${randomInt(100_000, 1_000_000)}`
}

/** Pids on this machine, inside sandboxes too, whose command line holds the text. */
export function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text)
      } catch {
        return false
      }
    })
}

/** Waits for a state of the machine that no event tells of. */
export const until = (holds: () => boolean, withinMs = 30_000): Promise<void> => untilWithin(holds, withinMs)
