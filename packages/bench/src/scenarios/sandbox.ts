import { mkdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { executionRequestSchema } from '@loopgate/contracts'
import { createSandbox, type SandboxOptions } from '@loopgate/sandbox'
import { enterCpuCgroup, type CpuCgroup } from '../measure/cpu-cgroup.ts'
import { descendants, proportionalBytes } from '../measure/descendants.ts'
import { round } from '../report/figures.ts'
import { drive } from '../sandbox/drive.ts'
import { startStack } from '../sandbox/gateway-stack.ts'
import { inputOf, logger, sandboxOptions, subjects, type Subject } from '../sandbox/subjects.ts'
import type { GatewayOptions } from './gateway.ts'

export type SandboxRow = {
  readonly name: string
  readonly executions: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** CPU time of one execution: of the runner and all that it starts; through the gateway of gateway and runner alone. */
  readonly cpuMs: number | null
  /** Proportional memory of one sandbox while its program waits, or of the process of an isolate. */
  readonly memoryBytes: number | null
}

export type SandboxReport = {
  readonly rows: readonly SandboxRow[]
  readonly throughGateway: readonly SandboxRow[]
  readonly unavailable: ReadonlyArray<{ readonly name: string; readonly why: string }>
}

export type SandboxBenchOptions = Pick<
  GatewayOptions,
  'seconds' | 'warmupSeconds' | 'root' | 'folder' | 'tool' | 'say'
> & {
  /** Only subjects whose name begins with one of these. */
  readonly only?: readonly string[]
  readonly throughGateway?: ReadonlyArray<Parameters<typeof inputOf>[0]>
}

const THROUGH_GATEWAY = [
  { tier: 'process', language: 'python' },
  { tier: 'process', language: 'javascript' },
  { tier: 'fork', language: 'python' },
  { tier: 'isolate', language: 'javascript' },
  { tier: 'isolate', language: 'typescript' },
] as const

/**
 * What an execution of a trivial program costs in each tier, against the bare interpreter and a bubblewrap
 * started by hand in the same run. CPU time is that of this process and all that it starts, which is the runner of
 * the first table, and leaves out other work on the machine; rates and latencies do not.
 */
export async function sandboxBench(options: SandboxBenchOptions): Promise<SandboxReport> {
  const { folder, say, tool, only = [''], throughGateway = THROUGH_GATEWAY } = options
  mkdirSync(folder, { recursive: true })
  const tools = sandboxOptions(tool)
  const hand = { bwrap: tools.bwrapPath ?? 'bwrap', python: tools.pythonPath ?? 'python3', node: process.execPath }
  const rows: SandboxRow[] = []
  const unavailable: Array<{ name: string; why: string }> = []
  const cpu = enterCpuCgroup()
  if (cpu === null) say('CPU time is not counted: it takes root and cgroup v1')
  for (const subject of subjects(tools, hand)) {
    if (!only.some((start) => subject.name.startsWith(start))) continue
    say(`measuring ${subject.name}`)
    try {
      rows.push(await rowOf(subject, tools, options, cpu))
    } catch (error) {
      unavailable.push({ name: subject.name, why: (error as Error).message.slice(0, 300) })
    }
  }
  cpu?.leave()
  const paths = {
    LOOPGATE_BWRAP_PATH: hand.bwrap,
    LOOPGATE_PYTHON_PATH: hand.python,
    ...(tools.runscPath !== undefined && { LOOPGATE_RUNSC_PATH: tools.runscPath }),
  }
  const gateway = throughGateway.length === 0 ? [] : await gatewayRows(throughGateway, options, paths)
  return { rows, throughGateway: gateway, unavailable }
}

async function rowOf(
  subject: Subject,
  tools: SandboxOptions,
  { seconds, warmupSeconds }: SandboxBenchOptions,
  cpu: CpuCgroup | null,
): Promise<SandboxRow> {
  const { once, close } = await subject.start()
  try {
    await warmUp(once, warmupSeconds)
    // The processes of isolates stay for their tenant, so what lives now is what one execution at a time takes.
    const bytes = subject.name.startsWith('isolate') ? proportionalBytes(descendants(process.pid)) : null
    const beforeMs = cpu?.cpuMs() ?? 0
    const { count, perSecond, p50Ms, p99Ms } = await drive(once, seconds, subject.pauseMs)
    return {
      name: subject.name,
      executions: count,
      perSecond: round(perSecond),
      p50Ms: round(p50Ms),
      p99Ms: round(p99Ms),
      cpuMs: cpu === null ? null : round((cpu.cpuMs() - beforeMs) / count),
      memoryBytes: bytes ?? (await memoryOf(subject, tools)),
    }
  } finally {
    await close()
  }
}

/** At least one run, so that what is loaded late is loaded. */
async function warmUp(once: () => Promise<void>, seconds: number): Promise<void> {
  const untilMs = performance.now() + seconds * 1000
  do await once()
  while (performance.now() < untilMs)
}

/** Of one sandbox while its program sleeps. */
async function memoryOf({ stay }: Subject, tools: SandboxOptions): Promise<number | null> {
  if (stay === undefined) return null
  const request = executionRequestSchema.parse(stay)
  const sandbox = createSandbox({ logger }, { ...tools, tier: request.isolation })
  try {
    if (!(await sandbox.selfTest()).passed) return null
    await delay(500)
    const before = proportionalBytes(descendants(process.pid))
    const { signal } = new AbortController()
    const running = sandbox.execute(request, { executionId: 'bench', tenant: 'bench', signal })
    await delay(700)
    const bytes = proportionalBytes(descendants(process.pid)) - before
    await running
    return Math.max(0, bytes)
  } finally {
    await sandbox.close()
  }
}

async function gatewayRows(
  cases: NonNullable<SandboxBenchOptions['throughGateway']>,
  options: SandboxBenchOptions,
  paths: Readonly<Record<string, string>>,
): Promise<SandboxRow[]> {
  const { seconds, warmupSeconds, say } = options
  const stack = await startStack(options, paths)
  const rows: SandboxRow[] = []
  try {
    for (const which of cases) {
      say(`measuring ${which.tier} ${which.language} through the gateway`)
      const input = inputOf(which)
      const once = async () => {
        const { outcome, stdout, message, stderr } = await stack.execute(input)
        if (outcome !== 'ok' || stdout !== '2\n') throw new Error(`${outcome}: ${message ?? stderr}`)
      }
      await warmUp(once, warmupSeconds)
      const beforeMs = stack.servicesCpuMs()
      const { count, perSecond, p50Ms, p99Ms } = await drive(once, seconds)
      const cpuMs = round((stack.servicesCpuMs() - beforeMs) / count)
      const figures = { perSecond: round(perSecond), p50Ms: round(p50Ms), p99Ms: round(p99Ms), cpuMs }
      rows.push({ name: `${which.tier} ${which.language}`, executions: count, ...figures, memoryBytes: null })
    }
  } finally {
    await stack.stop()
  }
  return rows
}
