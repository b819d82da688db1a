import { mkdirSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import type { Call } from '../load/call.ts'
import { openLoop, type OpenLoop } from '../load/open-loop.ts'
import { streamLoad } from '../load/sse.ts'
import { cpuUs } from '../measure/cpu.ts'
import { distribution, type Distribution } from '../measure/distribution.ts'
import { CORES, startPinned } from '../measure/pinned.ts'
import { loopgate, sheddingLoopgate } from '../targets/loopgate.ts'
import type { RunningTarget, TargetContext } from '../targets/target.ts'
import { streamBody } from './cases.ts'
import type { GatewayOptions } from './gateway.ts'

const MOCK = fileURLToPath(new URL('../mock/upstream.ts', import.meta.url))

export type OverloadOptions = Omit<GatewayOptions, 'cases'> & {
  /** Offered load as a multiple of the capacity. */
  readonly factors?: readonly number[]
  /** Events of each answer. */
  readonly events?: number
}

type OverloadRow = OpenLoop & {
  readonly factor: number
  readonly goodPerSecond: number
  /** Of those done in time; null if none was. */
  readonly times: Distribution | null
  /** Cores that each kept busy: if the callers and the upstream take all of theirs, it is they who are measured. */
  readonly cores: { readonly gateway: number; readonly upstream: number; readonly callers: number }
  /** How late the callers themselves were at most, in ms, of all but a hundredth of the time. */
  readonly callersLateMs: number
}
export type OverloadReport = {
  readonly capacityPerSecond: number
  readonly events: number
  readonly deadlineMs: number
  readonly rows: readonly OverloadRow[]
  /** Goodput at the largest load as a share of the best one. */
  readonly kept: number
}

const FACTORS = [0.5, 1, 1.5, 2, 3, 4] as const
/** Of two tokens each: a function with its explanation. */
const EVENTS = 300
/** Callers of a closed loop that measures the capacity. */
const CALLERS = 600
/** So few that none is refused. */
const WARM_CALLERS = 64
const DEADLINE_MS = 3000

/**
 * What is still done in time when more is asked for than can be done: callers come at a fixed rate, up
 * to four times the capacity, and leave after three seconds. The gateway has one core, the callers and
 * the upstream the other.
 */
export async function overloadBench(options: OverloadOptions): Promise<OverloadReport> {
  const { folder, factors = FACTORS, events = EVENTS, seconds, say } = options
  mkdirSync(folder, { recursive: true })
  const mock = startPinned('mock', CORES.load, [process.execPath, MOCK], { logFolder: folder })
  try {
    const upstream = `http://127.0.0.1:${await mock.firstLine()}`
    const place = { upstream, upstreamPid: mock.pid, core: CORES.gateway, folder, node: process.execPath }
    const context = { ...place, root: options.root, tool: options.tool }
    const callOf = ({ origin, headers }: RunningTarget) => ({
      url: `${origin}/v1/chat/completions`,
      headers,
      body: streamBody(events, 'paced'),
    })
    const capacityPerSecond = await capacityOf(context, callOf, options)
    const gateway = await sheddingLoopgate.start(context)
    try {
      const call = callOf(gateway)
      await streamLoad(call, { connections: WARM_CALLERS, seconds: Math.max(1, options.warmupSeconds) })
      const rows: OverloadRow[] = []
      for (const factor of factors) {
        say(`offering ${factor} of the capacity of ${capacityPerSecond} answers a second`)
        const perSecond = Math.max(1, capacityPerSecond * factor)
        const delay = monitorEventLoopDelay({ resolution: 1 })
        delay.enable()
        const used = watchCpu({ gateway: gateway.pids(), upstream: [mock.pid], callers: [process.pid] })
        const { timesMs, ...counts } = await openLoop(call, { perSecond, seconds, deadlineMs: DEADLINE_MS })
        const cores = used()
        delay.disable()
        const times = timesMs.length === 0 ? null : distribution(timesMs)
        const callersLateMs = Math.round(delay.percentile(99) / 1e6)
        rows.push({ factor, ...counts, goodPerSecond: Math.round(counts.good / seconds), times, cores, callersLateMs })
      }
      const best = Math.max(...rows.map((row) => row.good))
      const last = rows.at(-1)?.good ?? 0
      return { capacityPerSecond, events, deadlineMs: DEADLINE_MS, rows, kept: best === 0 ? 0 : last / best }
    } finally {
      await gateway.stop()
    }
  } finally {
    await mock.stop()
  }
}

/** What is done by callers of a closed loop, a second, where none is refused. */
async function capacityOf(
  context: TargetContext,
  callOf: (target: RunningTarget) => Call,
  { seconds, warmupSeconds }: OverloadOptions,
): Promise<number> {
  const open = await loopgate.start(context)
  try {
    const call = callOf(open)
    await streamLoad(call, { connections: CALLERS, seconds: Math.max(1, warmupSeconds) })
    const { responses, durationUs } = await streamLoad(call, { connections: CALLERS, seconds })
    return Math.round(responses / (durationUs / 1e6))
  } finally {
    await open.stop()
  }
}

/** Begins to measure; gives the cores that each kept busy since. */
function watchCpu<Name extends string>(pids: Readonly<Record<Name, readonly number[]>>): () => Record<Name, number> {
  const names = Object.keys(pids) as Name[]
  const read = () => names.map((name) => cpuUs(pids[name]))
  const [startUs, startMs] = [read(), performance.now()]
  return () => {
    const pastUs = (performance.now() - startMs) * 1000
    const cores = read().map((us, index) => (us - (startUs[index] ?? 0)) / pastUs)
    return Object.fromEntries(names.map((name, index) => [name, cores[index]])) as Record<Name, number>
  }
}
