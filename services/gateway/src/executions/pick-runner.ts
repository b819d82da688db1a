import type { Isolation, Language } from '@loopgate/contracts'
import { hasRoom, offersOf, type Runner } from '../runners/hub.ts'
import type { Task } from './task.ts'

/** What an execution needs of a runner, and where it has failed already. */
export type Need = {
  readonly tenant: string
  readonly language: Language
  readonly isolation: Isolation
  readonly failedOn: ReadonlySet<string>
}

export function needOf({ order: { tenant, request }, failedOn }: Task): Need {
  return { tenant, language: request.language, isolation: request.isolation, failedOn }
}

/**
 * The less loaded of two runners drawn at random among those that could take the work now; null if
 * there is none. Two choices keep replicas, which do not see each other's leases, from all running
 * to the same runner. Of two with the same load the one that knows the tenant and the kind of work has
 * its pools warm. A runner that failed the task gets it again only if no other is attached that could.
 */
export function pickRunner(
  runners: Iterable<Runner>,
  need: Need,
  now: number,
  random: () => number = Math.random,
): Runner | null {
  const able = [...runners].filter((runner) => canRun(runner, need) && !runner.draining)
  const untried = need.failedOn.size === 0 ? able : able.filter(({ id }) => !need.failedOn.has(id))
  const free = (untried.length > 0 ? untried : able).filter((runner) => hasRoom(runner, now))
  if (free.length < 2) return free[0] ?? null
  const first = Math.floor(random() * free.length)
  const second = (first + 1 + Math.floor(random() * (free.length - 1))) % free.length
  const [a, b] = [free[first], free[second]]
  if (a === undefined || b === undefined) return null
  const difference = load(a) - load(b)
  if (difference !== 0) return difference < 0 ? a : b
  return familiarity(b, need) > familiarity(a, need) ? b : a
}

/** Whether the runner could ever run it. */
export function canRun({ connection }: Runner, need: Pick<Need, 'isolation' | 'language'>): boolean {
  return offersOf(connection.info, need.isolation, need.language)
}

/** In words for a caller whose language no attached runner offers in the tier: which ones there are. */
export function whatIsOffered(
  runners: Iterable<Runner>,
  { language, isolation }: Omit<Need, 'tenant' | 'failedOn'>,
): string {
  const infos = [...runners].map(({ connection }) => connection.info)
  const named = new Set(infos.flatMap(({ languages }) => languages.map((each) => each.language)))
  const offered = [...named].filter((each) => infos.some((info) => offersOf(info, isolation, each)))
  const list = offered.length === 0 ? 'none' : offered.toSorted().join(', ')
  return `a language that an attached runner offers in the tier ${isolation} (${list}); nobody offers ${language}`
}

/** Notes that the runner is about to have the kind of work at hand. */
export function noteServed({ served }: Runner, need: Need): void {
  for (const what of kindsOf(need)) served.note(what)
}

/** Executions of other replicas count as far as the runner has told of them. */
function load({ leases, running, connection }: Runner): number {
  return Math.max(leases.size, running) / connection.info.slots
}

function familiarity({ served }: Runner, need: Need): number {
  return kindsOf(need).filter((what) => served.has(what)).length
}

/** The kind of work, and the same for the tenant: a pool is of a kind, a process of the tier isolate of one tenant. */
function kindsOf({ tenant, language, isolation }: Need): [kind: string, ofTenant: string] {
  return [`${language}/${isolation}`, `${language}/${isolation}/${tenant}`]
}
