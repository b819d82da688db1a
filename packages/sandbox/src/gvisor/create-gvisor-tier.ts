import { spawnSync } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { release } from 'node:os'
import type { Clock } from '@loopgate/service-kit'
import { executionRequestSchema } from '@loopgate/contracts'
import { startJail, type JailDeps } from '../jail/jail.ts'
import type { SessionDeps } from '../jail/session.ts'
import { filterOpener } from '../jail/seccomp.ts'
import type { Runtime } from '../languages/runtime.ts'
import type { Prepared } from '../prepare.ts'
import type { Backend } from '../tiers/backend.ts'
import { findOnPath } from '../toolchain/bwrap.ts'
import { gvisorArguments, RUNSC, underGvisor } from './arguments.ts'

/** What each execution of the tier has by itself; limits of processes and memory are those of the jail around it. */
const ENFORCED = [
  'kernel:gvisor',
  'namespaces:user,pid,net,ipc,uts,mount,cgroup',
  'capabilities:none',
  'read-only-system',
  'tmpfs-size',
  'die-with-runner',
] as const

/** Measured with runsc of 2022: the sandbox and its gofer take this much beside the program. */
const OWN_BYTES = 160 * 1024 * 1024
/** Threads of both, and one process of the host for each address space inside. */
const OWN_PROCESSES = 96

/**
 * Finds runsc and shows it to bubblewrap.
 * @throws Error in words for the operator, where the tier cannot be had
 */
export function createGvisorTier(prepared: Prepared, clock: Clock, path: string | undefined): Backend {
  const found = path ?? findOnPath('runsc')
  if (found === undefined)
    throw new Error('the tier gvisor needs runsc: install it so that "runsc" is on PATH, or set LOOPGATE_RUNSC_PATH')
  if (!existsSync('/usr/bin/setpriv')) throw new Error('the tier gvisor needs setpriv of util-linux in /usr/bin')
  const program = prepared.reachable(realpathSync(found))
  const asked = spawnSync(program, ['--version'], { ...prepared.deps.identity, env: {}, cwd: '/', encoding: 'utf8' })
  const version = /runsc version (\S+)/.exec(asked.stdout ?? '')?.[1]
  if (version === undefined)
    throw new Error(`${found} does not run as the user of the sandboxes: ${asked.error?.message ?? asked.stderr}`)
  const deps: JailDeps = {
    ...prepared.deps,
    arguments: gvisorArguments,
    openFilter: filterOpener(prepared.folder, 'gvisor'),
  }
  const sessions: SessionDeps = { clock, canStartDirectly: false, startJail: (spec) => startJail(deps, spec) }
  const runtimes = prepared.runtimes
    .filter(({ commands }) => commands === undefined)
    .map((each): Runtime => ({
      ...each,
      version: each.version,
      binds: [...each.binds, { source: program, target: RUNSC }],
      argv: (role, limits) => underGvisor(role, each.argv(role, limits)),
      ownProcesses: each.ownProcesses + OWN_PROCESSES,
      ownBytes: OWN_BYTES,
    }))
  return {
    runtimes,
    sessionsOf: () => sessions,
    closeFds: [],
    enforced: [...ENFORCED, `runsc:${version}`],
    probe: async (run) => {
      const [runtime] = runtimes
      if (runtime === undefined) throw new Error('the tier gvisor found no interpreter')
      const result = await run(runtime, kernelProbe(runtime))
      const [kernel = '', isGvisor] = result.stdout.trim().split(' ')
      const passed = result.outcome === 'ok' && isGvisor === 'true' && kernel !== release()
      return [
        { name: 'the kernel is gVisor’s', passed, detail: `${kernel || result.outcome}, the host has ${release()}` },
      ]
    },
    close: () => Promise.resolve(),
  }
}

/** gVisor's procfs has files that no Linux has. */
function kernelProbe({ language }: Runtime) {
  const isPython = language === 'python'
  const content = isPython
    ? 'import os\nprint(os.uname().release, str(os.path.exists("/proc/sentry-meminfo")).lower())'
    : 'console.log(require("os").release(), require("fs").existsSync("/proc/sentry-meminfo"))'
  return executionRequestSchema.parse({
    language,
    files: [{ path: isPython ? 'kernel.py' : 'kernel.js', content }],
    isolation: 'gvisor',
    limits: { wallMs: 30_000 },
  })
}
