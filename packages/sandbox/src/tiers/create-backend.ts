import type { Isolation } from '@loopgate/contracts'
import type { Clock, Logger } from '@loopgate/service-kit'
import { createForkTier } from '../fork/create-fork-tier.ts'
import { createGvisorTier } from '../gvisor/create-gvisor-tier.ts'
import { createIsolateTier } from '../isolate/create-isolate-tier.ts'
import type { Prepared } from '../prepare.ts'
import { createProcessTier } from './create-process-tier.ts'
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
      return createProcessTier(prepared, deps, options.warm)
    case 'fork':
      return createForkTier(prepared, deps, options.forksOfOne)
    case 'isolate':
      return createIsolateTier(prepared, deps.clock, options.isolatesOfOne)
    case 'gvisor':
      return createGvisorTier(prepared, deps.clock, options.runscPath)
  }
}
