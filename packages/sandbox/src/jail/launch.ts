import { spawn, type ChildProcess } from 'node:child_process'
import type { Duplex, Readable, Writable } from 'node:stream'
import type { Cgroup } from '../cgroups/types.ts'
import { jailArguments } from './arguments.ts'
import type { JailBoot, JailDeps } from './jail.ts'

/** bubblewrap at its start, with the ends of what it was given. */
type Launched = {
  readonly child: ChildProcess
  readonly stdin: Writable | null
  readonly stdout: Readable
  readonly stderr: Readable
  readonly channel: Duplex
  readonly record: Readable | null
  readonly info: Readable
  readonly block: Writable
}

/**
 * Starts bubblewrap with an empty environment as the launcher's user. Its descriptors are stdio, the channel,
 * for some roles the record, then its own: info, block, the filter, and one for each file that it writes.
 * @throws Error if the process cannot be started; its cgroup is then removed
 */
export function launch(deps: JailDeps, boot: JailBoot, cgroup: Cgroup): Launched {
  const { runtime, role, limits, direct } = boot
  const hasRecord = role === 'check' || role === 'compile'
  const info = hasRecord ? 5 : 4
  const block = info + 1
  const filter = deps.openFilter?.() ?? null
  const files = direct?.files ?? []
  const firstFile = block + (filter === null ? 1 : 2)
  let child: ChildProcess
  try {
    const args = (deps.arguments ?? jailArguments)(
      { system: deps.folders.system, binds: [...deps.folders.binds, ...runtime.binds] },
      runtime.env,
      limits.diskBytes,
      { info, block, seccomp: filter === null ? null : block + 1 },
      { files: files.map((file, i) => ({ ...file, descriptor: firstFile + i })) },
    )
    const argv = direct?.argv ?? runtime.argv(role, limits)
    child = spawn(deps.bwrap.command, [...deps.bwrap.prefix, ...args, ...argv], {
      ...deps.identity,
      cwd: '/',
      // Pid 1 inside is bubblewrap, whose environment the candidate can read.
      env: {},
      stdio: [
        // A check has no input; the rest is given its own, which may be empty.
        hasRecord ? 'ignore' : 'pipe',
        ...['pipe', 'pipe', 'pipe'].slice(0, hasRecord ? 3 : 2),
        ...(['pipe', 'pipe', 'pipe'] as const),
        ...(filter === null ? [] : [filter.descriptor]),
        ...files.map(() => 'pipe'),
      ] as never,
    })
  } catch (error) {
    deps.background(cgroup.remove())
    throw error
  } finally {
    filter?.close()
  }
  const stream = (descriptor: number) => child.stdio[descriptor] as unknown as Duplex
  // A peer that died is noticed by its exit.
  for (const each of child.stdio) each?.on('error', () => {})
  for (const [i, { content }] of files.entries()) stream(firstFile + i).end(content)
  return {
    child,
    stdin: hasRecord ? null : stream(0),
    stdout: stream(1),
    stderr: stream(2),
    channel: stream(3),
    record: hasRecord ? stream(4) : null,
    info: stream(info),
    block: stream(block),
  }
}
