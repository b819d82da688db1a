import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CORES, startPinned } from '../measure/pinned.ts'
import { report, type GatewayReport, type Row } from '../report/report.ts'
import type { RunningTarget, Target, TargetContext } from '../targets/target.ts'
import { GATEWAY_CASES, type Case } from './cases.ts'
import { check, measure, type Sample } from './measure.ts'

const MOCK = fileURLToPath(new URL('../mock/upstream.ts', import.meta.url))

export type GatewayOptions = {
  /** Length of one measured stretch. */
  readonly seconds: number
  /** Length of the warm-up of each target in each case. */
  readonly warmupSeconds: number
  /** Measured stretches of each target in each case, interleaved with those of the others. */
  readonly repeats: number
  readonly root: string
  /** Folder for configurations, logs and installs; two runs must not share one at once. */
  readonly folder: string
  readonly tool: (name: string) => string
  readonly say: (line: string) => void
  readonly cases?: readonly Case[]
}

/**
 * Compares gateways in one run: each alone on one core in turn, the same mock upstream and load
 * generator on the other. Only one runs the load at a time; a target that cannot be had or answers
 * wrongly becomes a row that says why.
 */
export async function gatewayBench(options: GatewayOptions): Promise<GatewayReport> {
  const { folder } = options
  mkdirSync(folder, { recursive: true })
  const mock = startPinned('mock', CORES.load, [process.execPath, MOCK], { logFolder: folder })
  const running = new Map<Target, RunningTarget | Error>()
  try {
    const context: TargetContext = {
      upstream: `http://127.0.0.1:${await mock.firstLine()}`,
      upstreamPid: mock.pid,
      core: CORES.gateway,
      folder,
      node: process.execPath,
      root: options.root,
      tool: options.tool,
    }
    const cases = options.cases ?? GATEWAY_CASES
    for (const target of new Set(cases.flatMap(({ targets }) => targets))) {
      options.say(`starting ${target.name}`)
      running.set(target, await target.start(context).catch((error: Error) => error))
    }
    const rows: Row[] = []
    for (const load of cases) rows.push(...(await runCase(load, running, options)))
    return report(rows, cases, options)
  } finally {
    for (const target of running.values()) if (!(target instanceof Error)) await target.stop()
    await mock.stop()
  }
}

async function runCase(
  load: Case,
  running: ReadonlyMap<Target, RunningTarget | Error>,
  options: GatewayOptions,
): Promise<Row[]> {
  const { folder } = options
  const wrkProgram = options.tool('wrk')
  const samples = new Map<Target, Sample[] | Error>()
  const attempt = async (target: Target, action: (live: RunningTarget) => Promise<Sample | undefined>) => {
    const live = running.get(target)
    const so = samples.get(target) ?? []
    if (so instanceof Error) return
    if (!live || live instanceof Error) {
      samples.set(target, live ?? new Error('was not started'))
      return
    }
    try {
      const sample = await action(live)
      samples.set(target, sample ? [...so, sample] : so)
    } catch (error) {
      samples.set(target, error as Error)
    }
  }
  for (const target of load.targets) {
    options.say(`${load.name}: warming ${target.name}`)
    await attempt(target, async (live) => {
      await check(load, live)
      if (options.warmupSeconds > 0) await measure(load, live, { seconds: options.warmupSeconds, wrkProgram, folder })
      return undefined
    })
  }
  for (let repeat = 1; repeat <= options.repeats; repeat += 1) {
    for (const target of load.targets) {
      options.say(`${load.name}: ${target.name}, ${repeat} of ${options.repeats}`)
      await attempt(target, (live) => measure(load, live, { seconds: options.seconds, wrkProgram, folder }))
    }
  }
  return load.targets.map((target) => {
    const { name, label } = target
    const got = samples.get(target) ?? new Error('was not measured')
    return got instanceof Error
      ? { case: load.name, target: name, label, unavailable: got.message }
      : { case: load.name, target: name, label, samples: got }
  })
}
