import type { Clock } from '@loopgate/service-kit'
import { startJail } from '../jail/jail.ts'
import type { SessionDeps } from '../jail/session.ts'
import type { Prepared } from '../prepare.ts'

/** A bubblewrap for each sandbox. */
export function directSessions(prepared: Prepared, clock: Clock): SessionDeps {
  return { clock, canStartDirectly: true, startJail: (spec) => startJail(prepared.deps, spec) }
}
