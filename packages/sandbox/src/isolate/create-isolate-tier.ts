import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { limitsSchema } from '@loopgate/contracts'
import type { Clock } from '@loopgate/service-kit'
import { BOOTSTRAP_FOLDER, type Runtime } from '../languages/runtime.ts'
import type { Prepared } from '../prepare.ts'
import { probeIsolate } from '../self-test/probe-isolate.ts'
import { directSessions } from '../tiers/direct-sessions.ts'
import type { Backend } from '../tiers/backend.ts'
import { findAddon } from './addon.ts'
import { startHost } from '../hosts/host.ts'
import { createHosts } from '../hosts/hosts.ts'
import { startIsolate } from './start-isolate.ts'

const SOURCES = fileURLToPath(new URL('../bootstrap/isolate', import.meta.url))
/**
 * isolated-vm does not start with Node's own snapshot (its README); helpers of V8 would only share the one core. Hashes
 * of strings that are the same in each isolate save a sixteenth of its start: who fills a table with collisions
 * spends the CPU time of its own isolate.
 */
const OPTIONS = ['--no-node-snapshot', '--single-threaded', '--no-rehash-snapshot']
/** Where the compiled part of isolated-vm stands inside. */
const ADDON = '/opt/isolated-vm.node'

/** What each execution of the tier has by itself; the rest it has from the jail around its process. */
const ENFORCED = [
  'isolate:fresh',
  'process:one-tenant',
  'no-files',
  'no-network',
  'no-modules',
  'namespaces:user,pid,net,ipc,uts,mount,cgroup',
  'capabilities:none',
  'read-only-system',
  'empty-environment',
  'die-with-runner',
] as const

/**
 * Finds the addon and starts a first process ahead.
 * @throws Error in words for the operator, where the tier cannot be had
 */
export function createIsolateTier(prepared: Prepared, clock: Clock, isolatesOfOne: number | undefined): Backend {
  const { deps: jail, closeFds } = prepared
  const found = prepared.runtimes.find((each) => each.node !== undefined)
  const node = found?.node
  if (found === undefined || node === undefined) throw new Error('the tier isolate needs Node, which was not found')
  if (jail.openFilter === null)
    throw new Error(`the tier isolate needs a filter of system calls, and there is none for ${process.arch}`)
  // V8 does not stop every program at its heap's limit, and counts no resizable buffer.
  if (!jail.cgroups.enforced.some((each) => each.endsWith(':memory')))
    throw new Error('the tier isolate needs a memory cgroup, since the limit of an isolate alone can be passed')
  const addon = prepared.reachable(findAddon(node.abi))
  cpSync(SOURCES, join(prepared.folder, 'isolate'), { recursive: true })
  const runtime: Runtime = {
    ...found,
    binds: [...found.binds, { source: addon, target: ADDON }],
    argv: (_role, limits) => node.start(limits, [...OPTIONS, `${BOOTSTRAP_FOLDER}/isolate/host.cjs`, ADDON]),
    // An isolate has one limit: that of its heap.
    rlimits: ({ memoryBytes }) => ({ AS: [memoryBytes, memoryBytes] }),
  }
  let counter = 0
  const { memoryBytes } = limitsSchema.parse({})
  const hosts = createHosts(clock, {
    start: (kind, memoryBytes) =>
      startHost(jail, { id: `isolate-${(counter += 1)}`, kind, runtime, memoryBytes, closeFds }),
    ahead: [
      { kind: 'candidate', memoryBytes },
      { kind: 'check', memoryBytes },
    ],
    usesOfOne: isolatesOfOne,
  })
  return {
    runtimes: [runtime],
    sessionsOf: (tenant) => ({
      clock,
      canStartDirectly: false,
      startJail: (spec) => startIsolate({ clock, hosts }, tenant, spec),
    }),
    // The processes have closed by themselves what they were left.
    closeFds: [],
    enforced: ENFORCED,
    around: { runtimes: [found], sessions: directSessions(prepared, clock) },
    probe: (run) => probeIsolate((request) => run(runtime, request)),
    close: hosts.close,
  }
}
