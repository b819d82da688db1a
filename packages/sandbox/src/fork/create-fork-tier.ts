import type { Clock, Logger } from '@loopgate/service-kit'
import { FORK_ENFORCED } from '../jail/arguments.ts'
import type { JailSpec } from '../jail/jail.ts'
import { filterOpener, writeFilter } from '../jail/seccomp.ts'
import type { Runtime } from '../languages/runtime.ts'
import type { Prepared } from '../prepare.ts'
import { probeSiblings } from '../self-test/probe-siblings.ts'
import type { Backend } from '../tiers/backend.ts'
import { createStaging } from '../toolchain/staging.ts'
import { listenForForks } from './links.ts'
import { startFork } from './start-fork.ts'
import { createZygotes } from './zygotes.ts'

/**
 * Starts the server of forks of the first language that has one.
 * @throws Error in words for the operator, where the tier cannot be had
 */
export async function createForkTier(
  prepared: Prepared,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  forksOfOne: number | undefined,
): Promise<Backend> {
  const { deps: jail, folder } = prepared
  const runtime = prepared.runtimes.find(hasForkServer)
  if (runtime === undefined) throw new Error('the tier fork needs Python, which was not found')
  const openFilter = filterOpener(folder, 'fork-server')
  if (openFilter === null || jail.openFilter === null || writeFilter(folder, 'fork') === null)
    throw new Error(`the tier fork needs a filter of system calls, and there is none for ${process.arch}`)
  // A folder that no sandbox sees, unlike that of the bootstraps: only the server of forks is shown it.
  const staging = createStaging(jail.identity)
  try {
    const links = await listenForForks(staging.folder, jail.identity)
    const zygotes = createZygotes({ jail, logger }, { runtime, link: staging.folder, openFilter, forksOfOne })
    const sessions = {
      clock,
      canStartDirectly: false,
      startJail: (spec: JailSpec) => startFork({ jail, links, zygotes }, spec),
    }
    return {
      runtimes: [runtime],
      sessionsOf: () => sessions,
      // A server of forks has closed by itself what it was left.
      closeFds: [],
      enforced: FORK_ENFORCED,
      probe: () => probeSiblings(sessions, runtime, { closeFds: [], sitePaths: runtime.sitePaths }),
      close: async () => {
        await zygotes.close()
        links.close()
        staging.close()
      },
    }
  } catch (error) {
    staging.close()
    throw error
  }
}

function hasForkServer(runtime: Runtime): runtime is Runtime & { readonly forkServer: readonly string[] } {
  return runtime.forkServer !== undefined
}
