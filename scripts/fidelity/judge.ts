import type { Client } from '@loopgate/client'
import {
  BATCH_MAX,
  MAX_FRAME_BYTES,
  type ExecutionInput,
  type ExecutionResult,
  type Isolation,
} from '@loopgate/contracts'
import type { KnownCase } from '@loopgate/problems'

/** A case with what the gateway said of it. */
export type Judged = {
  readonly known: KnownCase
  /** A verdict; `none` if there is no result, and `cached` if nothing was run. */
  readonly verdict: string
  readonly outcome: string
  readonly evidence: string
}

/**
 * The limits under which the verdicts were recorded. The CPU's tells a program that hangs; the wall's is
 * wide, since a busy machine must not change a verdict.
 */
const LIMITS = { cpuMs: 4_000, wallMs: 60_000, memoryBytes: 1024 ** 3 }
/** Of one batch: well below what the gateway takes. */
const BATCH_BYTES = MAX_FRAME_BYTES / 4
const EVIDENCE_CHARS = 300

/**
 * Judges every case in the gateway's batches, one batch after another, known verdicts left aside; tells
 * each as it comes.
 * @throws ApiError if a batch is refused or cut
 */
export async function judge(
  client: Client,
  cases: readonly KnownCase[],
  isolation: Isolation,
  tell: (judged: Judged) => void,
): Promise<void> {
  for (const batch of batches(cases)) {
    const inputs = batch.map((known) => inputOf(known, isolation))
    for await (const event of client.executions.batch(inputs, { reuse: 'ignore' })) {
      if (event.type === 'end') continue
      const known = batch[event.index]
      if (known === undefined) throw new Error(`the batch has no place ${event.index}`)
      tell({ known, ...saidOf(event.result, event.error?.detail ?? event.error?.code ?? '') })
    }
  }
}

const inputOf = ({ language, file, check }: KnownCase, isolation: Isolation): ExecutionInput => ({
  language,
  isolation,
  files: [file],
  checks: [check],
  limits: LIMITS,
})

function saidOf(result: ExecutionResult | undefined, error: string): Omit<Judged, 'known'> {
  if (result === undefined) return { verdict: 'none', outcome: 'none', evidence: error }
  const { cached, outcome, message, checks } = result
  if (cached === true) return { verdict: 'cached', outcome, evidence: '' }
  const [record] = checks
  const evidence = (record?.evidence || message || '').slice(0, EVIDENCE_CHARS)
  return { verdict: record?.verdict ?? 'none', outcome, evidence }
}

function* batches(cases: readonly KnownCase[]): Generator<KnownCase[]> {
  let batch: KnownCase[] = []
  let bytes = 0
  for (const known of cases) {
    const size = Buffer.byteLength(JSON.stringify(known))
    if (batch.length === BATCH_MAX || (batch.length > 0 && bytes + size > BATCH_BYTES)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(known)
    bytes += size
  }
  if (batch.length > 0) yield batch
}
