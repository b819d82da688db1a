import { limitsSchema } from '@loopgate/contracts'
import type { Clock, Logger } from '@loopgate/service-kit'
import { ALWAYS_ENFORCED } from '../jail/arguments.ts'
import { bootJail } from '../jail/jail.ts'
import type { SessionDeps } from '../jail/session.ts'
import type { Prepared } from '../prepare.ts'
import { createWarmPools, type WarmOptions, type WarmPools } from '../warm/pools.ts'
import type { Backend } from './backend.ts'
import { directSessions } from './direct-sessions.ts'

/** A bubblewrap for each sandbox; of Python and JavaScript some are started ahead, if asked for. */
export function createProcessTier(
  prepared: Prepared,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  warm: WarmOptions | undefined,
): Backend {
  const direct = directSessions(prepared, clock)
  let pools = null as WarmPools | null
  const sessions: SessionDeps = { ...direct, startJail: (spec) => (pools ?? direct).startJail(spec) }
  return {
    runtimes: prepared.runtimes,
    sessionsOf: () => sessions,
    closeFds: prepared.closeFds,
    enforced: ALWAYS_ENFORCED,
    probe: () => Promise.resolve([]),
    onSound: () => {
      if (warm === undefined) return
      pools = createWarmPools({ clock, logger, bootJail: (boot, ahead) => bootJail(prepared.deps, boot, ahead) }, warm)
      for (const runtime of prepared.runtimes) pools.keep(runtime, 'program', limitsSchema.parse({}))
    },
    close: async () => {
      await pools?.close()
    },
  }
}
