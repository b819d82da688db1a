import type { Isolation, Language } from '@loopgate/contracts'
import { hasRoom, type Runner } from '../runners/hub.ts'

/** What an execution needs of a runner. */
export type Need = { readonly language: Language; readonly isolation: Isolation }

/**
 * The less loaded of two runners drawn at random among those that could take the work now; null if
 * there is none. Two choices keep replicas, which do not see each other's leases, from all running
 * to the same runner.
 */
export function pickRunner(
  runners: Iterable<Runner>,
  need: Need,
  now: number,
  random: () => number = Math.random,
): Runner | null {
  const able = [...runners].filter((runner) => canRun(runner, need) && hasRoom(runner, now))
  if (able.length === 0) return null
  const first = Math.floor(random() * able.length)
  if (able.length === 1) return able[first] ?? null
  const second = (first + 1 + Math.floor(random() * (able.length - 1))) % able.length
  const [a, b] = [able[first], able[second]]
  if (a === undefined || b === undefined) return null
  return load(b) < load(a) ? b : a
}

function canRun({ connection }: Runner, need: Need): boolean {
  const { tiers, languages } = connection.info
  return tiers.includes(need.isolation) && languages.some(({ language }) => language === need.language)
}

function load({ leases, connection }: Runner): number {
  return leases.size / connection.info.slots
}
