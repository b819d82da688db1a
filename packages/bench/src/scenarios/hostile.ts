import { availableParallelism } from 'node:os'
import { isolationSchema, type Isolation } from '@loopgate/contracts'
import { createSandbox, type Sandbox } from '@loopgate/sandbox'
import { canaryRequest, HARMLESS, loadsOf, type Load } from '../hostile/loads.ts'
import { stretch, type Stretch } from '../hostile/stretch.ts'
import { distribution, type Distribution } from '../measure/distribution.ts'
import { round } from '../report/figures.ts'
import { logger, sandboxOptions } from '../sandbox/subjects.ts'
import type { GatewayOptions } from './gateway.ts'

export type HostileRow = {
  readonly tier: Isolation
  /** What ran beside the canary; `alone` for nothing. */
  readonly name: string
  readonly kind: 'alone' | Load['kind']
  readonly canary: Distribution
  /** Runs of what ran beside it, and the cores that they took while they ran. */
  readonly runs: number
  readonly cores: number
  /** The harmless programs that take most nearly the same, for a hostile one. */
  readonly like: string | null
  /** The canary's latencies over those alone, and over those beside the harmless programs. */
  readonly overAlone: Ratios
  readonly overLike: Ratios | null
}
type Ratios = { readonly p50: number; readonly p99: number }

export type HostileReport = {
  readonly rows: readonly HostileRow[]
  readonly unavailable: ReadonlyArray<{ readonly name: string; readonly why: string }>
}

export type HostileBenchOptions = Pick<GatewayOptions, 'seconds' | 'warmupSeconds' | 'repeats' | 'tool' | 'say'> & {
  readonly tiers?: readonly Isolation[]
  /** Only hostile programs whose name begins with one of these. */
  readonly only?: readonly string[]
}

/** Runs that are shorter are mostly starts of sandboxes. */
const SHORT_MS = 150

/**
 * How soon a small program is served while hostile ones run beside it in the same runner: alone, beside
 * harmless programs and beside each hostile one, stretches of all of them interleaved in one run.
 */
export async function hostileBench(options: HostileBenchOptions): Promise<HostileReport> {
  const { tiers = isolationSchema.options, tool, say } = options
  const cores = availableParallelism()
  const rows: HostileRow[] = []
  const unavailable: Array<{ name: string; why: string }> = []
  for (const tier of tiers) {
    const warm = tier === 'process' ? { floor: 1, ceiling: 4 * cores, cores } : undefined
    const sandbox = createSandbox({ logger }, { ...sandboxOptions(tool), tier, warm })
    try {
      const { passed, checks, languages } = await sandbox.selfTest()
      if (!passed) throw new Error(checks.find((check) => !check.passed)?.detail ?? 'the self-test failed')
      say(`measuring ${tier}`)
      rows.push(...(await tierRows(sandbox, new Set(languages.map(({ language }) => language)), options)))
    } catch (error) {
      unavailable.push({ name: tier, why: (error as Error).message.slice(0, 300) })
    } finally {
      await sandbox.close()
    }
  }
  return { rows, unavailable }
}

async function tierRows(
  sandbox: Sandbox,
  languages: ReadonlySet<string>,
  { seconds, warmupSeconds, repeats, only = [''], say }: HostileBenchOptions,
): Promise<HostileRow[]> {
  const { tier } = sandbox
  const canary = canaryRequest(tier)
  const loads = loadsOf(tier, languages).filter(
    ({ kind, name }) => kind === 'harmless' || only.some((start) => name.startsWith(start)),
  )
  await stretch(sandbox, canary, null, warmupSeconds)
  const all = new Map<Load | null, Stretch[]>([null, ...loads].map((load) => [load, []]))
  for (let repeat = 1; repeat <= repeats; repeat += 1) {
    for (const [load, stretches] of all) {
      say(`${tier}: ${load?.name ?? 'alone'}, ${repeat} of ${repeats}`)
      stretches.push(await stretch(sandbox, canary, load, seconds))
    }
  }
  return compared(tier, all)
}

function compared(tier: Isolation, all: ReadonlyMap<Load | null, readonly Stretch[]>): HostileRow[] {
  const sum = (stretches: readonly Stretch[], of: (one: Stretch) => number): number =>
    stretches.reduce((total, one) => total + of(one), 0)
  const measured = [...all].map(([load, stretches]) => {
    const runs = sum(stretches, ({ runs }) => runs)
    return {
      tier,
      name: load?.name ?? 'alone',
      kind: load?.kind ?? ('alone' as const),
      canary: distribution(stretches.flatMap(({ canaryMs }) => canaryMs)),
      runs,
      // A load that never came to its end has taken what it could.
      runMs: runs === 0 ? Infinity : sum(stretches, ({ runMs }) => runMs) / runs,
      cores: round(sum(stretches, ({ cpuMs }) => cpuMs) / sum(stretches, ({ wallMs }) => wallMs)),
    }
  })
  const named = (name: string): Distribution => {
    const found = measured.find((one) => one.name === name)
    if (found === undefined) throw new Error(`${name} was not measured`)
    return found.canary
  }
  return measured.map(({ runMs, ...row }) => {
    const like = row.kind === 'hostile' ? likeOf(runMs, row.cores) : null
    return {
      ...row,
      like,
      overAlone: over(row.canary, named('alone')),
      overLike: like === null ? null : over(row.canary, named(like)),
    }
  })
}

const over = (one: Distribution, other: Distribution): Ratios => ({
  p50: round(one.p50 / other.p50),
  p99: round(one.p99 / other.p99),
})

function likeOf(runMs: number, cores: number): string {
  if (runMs < SHORT_MS) return HARMLESS.short
  return cores > 1.1 ? HARMLESS.allCores : HARMLESS.oneCore
}
