import type { Clock } from '@loopgate/service-kit'
import { chooseCgroups } from './cgroups/choose.ts'
import { createNoCgroups } from './cgroups/none.ts'
import { systemArguments } from './jail/arguments.ts'
import type { JailDeps } from './jail/jail.ts'
import { filterOpener } from './jail/seccomp.ts'
import { findRuntimes } from './languages/find.ts'
import { BOOTSTRAP_FOLDER, type Runtime } from './languages/runtime.ts'
import { leakedDescriptors } from './toolchain/descriptors.ts'
import { resolveBwrap } from './toolchain/bwrap.ts'
import { launcherIdentity } from './toolchain/identity.ts'
import { createStaging } from './toolchain/staging.ts'
import type { SandboxOptions } from './types.ts'

/** Everything that sandboxes need of this machine, found and made ready. */
export type Prepared = {
  readonly deps: JailDeps
  readonly runtimes: readonly Runtime[]
  /** Part of every bootstrap's first frame. */
  readonly closeFds: readonly number[]
  /** What could not be had, in words for the operator: a language, a better cgroup back-end. */
  readonly refusals: readonly string[]
  /** Folder of this process that every sandbox sees, read-only, as BOOTSTRAP_FOLDER. */
  readonly folder: string
  /** A path as the launcher reaches it: itself, or a copy. */
  readonly reachable: (path: string) => string
  readonly close: () => Promise<void>
}

/**
 * The init of an ended sandbox is left to the process above us to be reaped. Node does not reap what it
 * did not start, so as pid 1 of a container it would fill the process table within minutes.
 */
const NO_INIT =
  'the runner is process 1 of its container and nothing would reap what ended sandboxes leave: start it under an init ("init: true" in compose, "docker run --init", or tini in the image)'

/**
 * Finds bubblewrap and the interpreters, stages what the launcher cannot reach, chooses cgroups.
 * @throws Error that says what to do, if no sandbox can be started at all
 */
export function prepare(clock: Clock, options: SandboxOptions): Prepared {
  if (process.pid === 1) throw new Error(NO_INIT)
  const identity = launcherIdentity(options.launcherUid, options.launcherGid)
  const staging = createStaging(identity)
  const refusals: string[] = []
  const running = new Set<Promise<void>>()
  try {
    const bwrap = resolveBwrap(options.bwrapPath, staging, identity)
    const found = findRuntimes(options, staging, identity)
    refusals.push(...found.refusals)
    const chosen = options.cgroups === 'none' ? { backend: createNoCgroups(), refusals: [] } : chooseCgroups()
    refusals.push(...chosen.refusals)
    const deps: JailDeps = {
      clock,
      bwrap,
      identity,
      cgroups: chosen.backend,
      folders: { system: systemArguments(), binds: [{ source: staging.folder, target: BOOTSTRAP_FOLDER }] },
      openFilter: filterOpener(staging.folder),
      background: (work) => {
        running.add(work)
        void work.finally(() => running.delete(work))
      },
    }
    return {
      deps,
      runtimes: found.runtimes,
      closeFds: leakedDescriptors(),
      refusals,
      folder: staging.folder,
      reachable: staging.reachable,
      close: async () => {
        await Promise.all(running)
        await chosen.backend.close()
        staging.close()
      },
    }
  } catch (error) {
    staging.close()
    throw error
  }
}
