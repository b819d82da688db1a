import type { Logger } from '@loopgate/service-kit'
import type { Jail, JailSpec } from '../jail/jail.ts'
import { filterOpener } from '../jail/seccomp.ts'
import type { Runtime } from '../languages/runtime.ts'
import type { Prepared } from '../prepare.ts'
import { createStaging } from '../toolchain/staging.ts'
import { listenForForks } from './links.ts'
import { startFork } from './start-fork.ts'
import { createZygotes } from './zygotes.ts'

/** What the tier `fork` has in place of a bubblewrap for each execution. */
export type ForkTier = {
  readonly runtime: Runtime
  readonly startJail: (spec: JailSpec) => Jail
  readonly close: () => Promise<void>
}

/**
 * Starts the server of forks of the first language that has one.
 * @throws Error in words for the operator, where the tier cannot be had
 */
export async function createForkTier(
  prepared: Prepared,
  logger: Logger,
  forksOfOne: number | undefined,
): Promise<ForkTier> {
  const { deps: jail, folder } = prepared
  const runtime = prepared.runtimes.find(hasForkServer)
  if (runtime === undefined) throw new Error('the tier fork needs Python, which was not found')
  const openFilter = filterOpener(folder, 'fork-server')
  if (openFilter === null || jail.openFilter === null)
    throw new Error(`the tier fork needs a filter of system calls, and there is none for ${process.arch}`)
  // A folder that no sandbox sees, unlike that of the bootstraps: only the server of forks is shown it.
  const staging = createStaging(jail.identity)
  try {
    const links = await listenForForks(staging.folder, jail.identity)
    const zygotes = createZygotes({ jail, logger }, { runtime, link: staging.folder, openFilter, forksOfOne })
    return {
      runtime,
      startJail: (spec) => startFork({ jail, links, zygotes }, spec),
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
