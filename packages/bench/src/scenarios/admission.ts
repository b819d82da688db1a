import { gateway } from '@loopgate/testkit/gateway'
import { createScope } from '@loopgate/testkit/scope'
import { cerebrasSim } from '@loopgate/testkit/sim'
import { type LoopsResult, runLoops } from '../load/loops.ts'
import { scaledClock } from '../load/scaled-clock.ts'
import type { GatewayOptions } from './gateway.ts'

/** Cerebras' developer tier for this model, by its table of 2026-07: the simulator has the same. */
const MODEL = 'gpt-oss-120b'
const LIMITS = { requestsPerMinute: 1000, tokensPerMinute: 1_000_000 }
const TOKENS_PER_SECOND = 2_500
const PATIENCE_MS = 120_000
const MINUTE_MS = 60_000

type AdmissionRow = {
  /** Whether the provider debits what was used, or all that was reserved. */
  readonly refund: boolean
  readonly who: 'loopgate' | 'retries'
  readonly completions: number
  readonly perMinute: number
  readonly refusals: number
  readonly failures: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Requests made, of all that the bucket had: full at first, and refilled since. */
  readonly requestsUsed: number
  /** Tokens used, likewise. */
  readonly tokensUsed: number
}

export type AdmissionReport = {
  readonly loops: number
  readonly minutes: number
  readonly timesFaster: number
  readonly rows: readonly AdmissionRow[]
}

export type AdmissionOptions = Pick<GatewayOptions, 'say'> & {
  readonly loops?: number
  readonly minutes?: number
  readonly timesFaster?: number
}

/**
 * 500 loops that ask for recorded completions as fast as they may, at one organisation's limits:
 * through Loopgate, and straight at the provider with what clients do by themselves. Everything runs in
 * this process, and all clocks several times as fast; limits, generations and waits are to scale, the
 * CPU is not. One replica without Redis, whose clock cannot be scaled.
 */
export async function admissionBench(options: AdmissionOptions): Promise<AdmissionReport> {
  const { say, loops = 500, minutes = 5, timesFaster = 10 } = options
  const rows: AdmissionRow[] = []
  for (const refund of [true, false]) {
    for (const who of ['loopgate', 'retries'] as const) {
      say(`${who}, ${refund ? 'settled by use' : 'no refund'}: ${minutes} minutes, ${timesFaster} times as fast`)
      const result = await measure(who, refund, { loops, minutes, timesFaster })
      rows.push(row(who, refund, minutes, result))
    }
  }
  return { loops, minutes, timesFaster, rows }
}

async function measure(
  who: AdmissionRow['who'],
  refund: boolean,
  { loops, minutes, timesFaster }: Required<Omit<AdmissionOptions, 'say'>>,
): Promise<LoopsResult> {
  const scope = createScope()
  const clock = scaledClock(timesFaster)
  try {
    const simulator = await cerebrasSim(scope, {
      clock,
      refund,
      limits: 'developer',
      tokensPerSecond: TOKENS_PER_SECOND,
    })
    const shared = { model: MODEL, loops, clock, forMs: minutes * MINUTE_MS, patienceMs: PATIENCE_MS }
    if (who === 'retries') {
      return await runLoops({ ...shared, url: simulator.url, apiKey: simulator.apiKey, after429: sdkBackoffMs })
    }
    const { url, apiKey } = await gateway(
      scope,
      {
        upstreamUrl: simulator.url,
        upstreamKey: simulator.apiKey,
        redis: null,
        env: { LOOPGATE_UPSTREAM_LIMITS: JSON.stringify({ '*': { [MODEL]: LIMITS } }) },
      },
      { clock },
    )
    const headers = { 'x-loopgate-deadline-ms': String(PATIENCE_MS), 'cache-control': 'no-store' }
    return await runLoops({ ...shared, url, apiKey, headers, after429: (_, toldMs) => toldMs })
  } finally {
    await scope.close()
  }
}

/**
 * What openai-node 6 does between two tries: half a second, doubled each time, eight at most, less up to
 * a quarter at random. It gives up after two tries by default; here it goes on for two minutes.
 */
function sdkBackoffMs(attempt: number, toldMs: number | null): number {
  return toldMs ?? Math.min(8000, 500 * 2 ** (attempt - 1)) * (1 - Math.random() * 0.25)
}

function row(who: AdmissionRow['who'], refund: boolean, minutes: number, result: LoopsResult): AdmissionRow {
  const { completions, promptTokens, completionTokens, refusals, failures, waitsMs } = result
  const at = (part: number): number => Math.round(waitsMs[Math.floor(waitsMs.length * part)] ?? 0)
  const available = 1 + minutes
  return {
    refund,
    who,
    completions,
    perMinute: Math.round(completions / minutes),
    refusals,
    failures,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    requestsUsed: completions / (LIMITS.requestsPerMinute * available),
    tokensUsed: (promptTokens + completionTokens) / (LIMITS.tokensPerMinute * available),
  }
}
