import { setTimeout as delay } from 'node:timers/promises'
import { executionRequestSchema, type ExecutionInput, type Isolation } from '@loopgate/contracts'
import { createSandbox, type Sandbox } from '@loopgate/sandbox'
import { createLogger } from '@loopgate/service-kit'
import { sandboxTools } from '@loopgate/testkit/runner'
import { heldNow, type Held } from './leftovers.ts'

export type ExecutionsOptions = {
  readonly tier: Isolation
  readonly count: number
  readonly concurrency: number
  /** Sandboxes are started ahead, as a runner does. */
  readonly warm: boolean
  readonly say: (line: string) => void
}

export type ExecutionsReport = {
  readonly tier: Isolation
  readonly executions: number
  readonly perSecond: number
  readonly before: Held
  readonly after: Held
  readonly heapBytesPerExecution: number
  /** What is more than it may be; empty if all is well. */
  readonly faults: readonly string[]
}

/** Longest wait for what removes itself in the background. */
const SETTLE_MS = 10_000
const CORES = 2
const PROGRAMS: Readonly<Record<'python' | 'javascript', ExecutionInput['files']>> = {
  python: [{ path: 'a.py', content: 'print(1 + 1)' }],
  javascript: [{ path: 'a.js', content: 'console.log(1 + 1)' }],
}

/**
 * Runs the smallest program in one tier, over and over: at the end this process and its jails may hold no more
 * than after the first tenth. A server of forks or isolates that has just been replaced counts as it is.
 * @throws Error if the tier is not sound here
 */
export async function soakExecutions(options: ExecutionsOptions): Promise<ExecutionsReport> {
  const { tier, count, concurrency, warm, say } = options
  const tools = sandboxTools()
  const sandbox = createSandbox(
    { logger: createLogger('soak', 'error') },
    {
      tier,
      bwrapPath: tools['LOOPGATE_BWRAP_PATH'],
      pythonPath: tools['LOOPGATE_PYTHON_PATH'],
      ...(warm && { warm: { floor: 1, ceiling: 4 * CORES, cores: CORES } }),
    },
  )
  try {
    const { passed, checks } = await sandbox.selfTest()
    if (!passed)
      throw new Error(`the tier ${tier} is not sound here: ${JSON.stringify(checks.filter((c) => !c.passed))}`)
    const warmUp = Math.max(20, Math.ceil(count / 10))
    await runAll(sandbox, warmUp, concurrency)
    const before = await settled()
    say(`after ${warmUp} executions in ${tier}: ${JSON.stringify(before)}`)
    const begunMs = performance.now()
    await runAll(sandbox, count, concurrency, (done) => {
      if (done % Math.ceil(count / 10) === 0) say(`${done} of ${count}: ${JSON.stringify(heldNow())}`)
    })
    const perSecond = Math.round((count / (performance.now() - begunMs)) * 1000)
    const after = await settled()
    const heapBytesPerExecution = Math.round((after.heapBytes - before.heapBytes) / count)
    return {
      tier,
      executions: count,
      perSecond,
      before,
      after,
      heapBytesPerExecution,
      faults: faultsOf(before, after, count),
    }
  } finally {
    await sandbox.close()
  }
}

async function runAll(sandbox: Sandbox, count: number, concurrency: number, onDone?: (done: number) => void) {
  const language = sandbox.tier === 'isolate' ? 'javascript' : 'python'
  const request = executionRequestSchema.parse({ language, files: PROGRAMS[language], isolation: sandbox.tier })
  let begun = 0
  let done = 0
  const lane = async (): Promise<void> => {
    while (begun < count) {
      begun += 1
      const result = await sandbox.execute(request, {
        executionId: `soak-${begun}`,
        tenant: 'soak',
        signal: new AbortController().signal,
      })
      if (result.outcome !== 'ok' || result.stdout !== '2\n') throw new Error(JSON.stringify(result))
      onDone?.((done += 1))
    }
  }
  await Promise.all(Array.from({ length: concurrency }, lane))
}

/** Waits until the number of processes, cgroups and descriptors has stopped to fall. */
async function settled(): Promise<Held> {
  let held = heldNow()
  for (let waitedMs = 0; waitedMs < SETTLE_MS; waitedMs += 100) {
    await delay(100)
    const now = heldNow()
    const isStill =
      now.processes >= held.processes && now.cgroups >= held.cgroups && now.descriptors >= held.descriptors
    held = now
    if (isStill && waitedMs >= 300) break
  }
  return held
}

/** More than a collector's noise and a server's change of generation. */
const HEAP_BYTES = 4 * 1024 * 1024
const HEAP_BYTES_EACH = 64
const RSS_BYTES = 64 * 1024 * 1024
/** Started ahead and not used yet, or a successor that comes up. */
const COMING_AND_GOING = 3 * 4 * CORES

function faultsOf(before: Held, after: Held, count: number): string[] {
  const most: Readonly<Record<keyof Held, number>> = {
    heapBytes: before.heapBytes + HEAP_BYTES + HEAP_BYTES_EACH * count,
    rssBytes: before.rssBytes + RSS_BYTES,
    processes: before.processes + COMING_AND_GOING,
    processesRssBytes: before.processesRssBytes + RSS_BYTES,
    cgroups: before.cgroups + COMING_AND_GOING,
    descriptors: before.descriptors + COMING_AND_GOING * 4,
    mounts: before.mounts,
    files: before.files,
  }
  return (Object.keys(most) as (keyof Held)[])
    .filter((name) => after[name] > most[name])
    .map((name) => `${name}: ${after[name]}, at most ${most[name]}`)
}
