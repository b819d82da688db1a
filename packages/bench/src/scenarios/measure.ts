import { probeStream, streamLoad } from '../load/sse.ts'
import { wrk } from '../load/wrk.ts'
import type { Call } from '../load/call.ts'
import { cpuUs } from '../measure/cpu.ts'
import type { RunningTarget } from '../targets/target.ts'
import type { Case } from './cases.ts'

/** One measured stretch. */
export type Sample = {
  readonly perSecond: number
  readonly cpuUsPerUnit: number
  /** Share of its core that the target used. Below about 0.9 something else was the limit. */
  readonly utilisation: number
  readonly p50Us?: number
  readonly p99Us?: number
}

export type MeasureOptions = { readonly seconds: number; readonly wrkProgram: string; readonly folder: string }

const PATH = '/v1/chat/completions'

const callOf = (load: Case, target: RunningTarget): Call => ({
  url: `${target.origin}${PATH}`,
  headers: target.headers,
  body: load.body,
})

/** Makes one call and looks at its whole answer. @throws Error that says what was wrong with it */
export async function check(load: Case, target: RunningTarget): Promise<void> {
  const { status, events, done, text } = await probeStream(callOf(load, target))
  const wrong = (what: string) => new Error(`${what}: ${text.slice(0, 300)}`)
  if (status !== 200) throw wrong(`answered ${status}`)
  if (load.events === undefined) {
    const reply = JSON.parse(text) as { choices?: Array<{ message?: { content?: string } }> }
    if (!reply.choices?.[0]?.message?.content) throw wrong('no content in the answer')
  } else if (events !== load.events || !done) {
    throw wrong(`${events} events of ${load.events}, ${done ? 'with' : 'without'} [DONE]`)
  }
}

/** Loads the target for a while. @throws Error when any answer was not what it should be */
export async function measure(load: Case, target: RunningTarget, options: MeasureOptions): Promise<Sample> {
  const pids = target.pids()
  const before = cpuUs(pids)
  const figures = await (load.events === undefined
    ? requests(load, target, options)
    : chunks(load, load.events, target, options))
  const used = cpuUs(pids) - before
  const { units, durationUs, ...latency } = figures
  return {
    perSecond: units / (durationUs / 1e6),
    cpuUsPerUnit: used / units,
    utilisation: used / durationUs,
    ...latency,
  }
}

async function requests(load: Case, target: RunningTarget, options: MeasureOptions) {
  const {
    requests: units,
    durationUs,
    errors,
    p50Us,
    p99Us,
  } = await wrk(options.wrkProgram, callOf(load, target), {
    connections: load.connections,
    seconds: options.seconds,
    folder: options.folder,
  })
  if (units === 0 || Object.values(errors).some((count) => count > 0)) {
    throw new Error(`${units} answers, errors ${JSON.stringify(errors)}`)
  }
  return { units, durationUs, p50Us, p99Us }
}

async function chunks(load: Case, events: number, target: RunningTarget, { seconds }: MeasureOptions) {
  const totals = await streamLoad(callOf(load, target), { connections: load.connections, seconds })
  if (totals.responses === 0 || totals.failed > 0 || totals.incomplete > 0) {
    throw new Error(`bad streams: ${JSON.stringify(totals)}`)
  }
  // Streams under way count by the share of their bytes that has come.
  const responses = totals.responses + totals.openBytes / (totals.wholeBytes / totals.responses)
  return { units: responses * events, durationUs: totals.durationUs }
}
