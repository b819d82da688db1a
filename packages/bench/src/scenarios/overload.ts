import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openLoop, type OpenLoop } from '../load/open-loop.ts'
import { streamLoad } from '../load/sse.ts'
import { distribution, type Distribution } from '../measure/distribution.ts'
import { CORES, startPinned } from '../measure/pinned.ts'
import { sheddingLoopgate } from '../targets/loopgate.ts'
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
/** An answer of this many tokens is a long function with its explanation. */
const EVENTS = 2000
/** Callers of a closed loop that measures the capacity. */
const CALLERS = 24
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
    const gateway = await sheddingLoopgate.start({ ...place, root: options.root, tool: options.tool })
    try {
      const call = { url: `${gateway.origin}/v1/chat/completions`, headers: gateway.headers, body: streamBody(events) }
      await streamLoad(call, { connections: CALLERS, seconds: Math.max(1, options.warmupSeconds) })
      const { responses, durationUs } = await streamLoad(call, { connections: CALLERS, seconds })
      const capacityPerSecond = Math.round(responses / (durationUs / 1e6))
      const rows: OverloadRow[] = []
      for (const factor of factors) {
        say(`offering ${factor} of the capacity of ${capacityPerSecond} answers a second`)
        const perSecond = Math.max(1, capacityPerSecond * factor)
        const { timesMs, ...counts } = await openLoop(call, { perSecond, seconds, deadlineMs: DEADLINE_MS })
        const times = timesMs.length === 0 ? null : distribution(timesMs)
        rows.push({ factor, ...counts, goodPerSecond: Math.round(counts.good / seconds), times })
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
