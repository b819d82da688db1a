import type { Isolation } from '@loopgate/contracts'
import type { Clock, Logger } from '@loopgate/service-kit'
import { createForkTier } from '../fork/create-fork-tier.ts'
import { createIsolateTier } from '../isolate/create-isolate-tier.ts'
import { ALWAYS_ENFORCED } from '../jail/arguments.ts'
import type { Prepared } from '../prepare.ts'
import { directSessions } from './direct-sessions.ts'
import type { SandboxOptions } from '../types.ts'
import type { Backend } from './backend.ts'

type BackendDeps = { readonly clock: Clock; readonly logger: Logger }

/** @throws Error in words for the operator, where the tier cannot be had on this machine */
export async function createBackend(
  tier: Isolation,
  prepared: Prepared,
  deps: BackendDeps,
  options: SandboxOptions,
): Promise<Backend> {
  switch (tier) {
    case 'process':
      return processBackend(prepared, deps)
    case 'fork':
      return createForkTier(prepared, deps, options.forksOfOne)
    case 'isolate':
      return createIsolateTier(prepared, deps.clock, options.isolatesOfOne)
    case 'gvisor':
      throw new Error('the tier gvisor is not there yet')
  }
}

function processBackend(prepared: Prepared, { clock }: BackendDeps): Backend {
  const sessions = directSessions(prepared, clock)
  return {
    runtimes: prepared.runtimes,
    sessionsOf: () => sessions,
    closeFds: prepared.closeFds,
    enforced: ALWAYS_ENFORCED,
    probe: () => Promise.resolve([]),
    close: () => Promise.resolve(),
  }
}
