import { timingSafeEqual } from 'node:crypto'
import { verdictSchema, type Verdict } from '@loopgate/contracts'
import { z } from 'zod'

/** Largest record: 4 KiB of evidence, each character perhaps six bytes of JSON, and the rest. */
const MAX_RECORD_BYTES = 32 * 1024

const recordSchema = z.strictObject({
  nonce: z.string(),
  candidateSha256: z.string(),
  checkId: z.string(),
  verdict: verdictSchema,
  evidence: z.string().max(4096),
  calls: z.int().min(0),
  answered: z.int().min(0),
})

/** What a record has to agree with: what the runner gave the checker and what it saw pass by itself. */
export type Expected = {
  readonly nonce: string
  readonly candidateSha256: string
  readonly checkId: string
  readonly calls: number
  readonly answered: number
}

export type Judgement = { readonly verdict: Verdict; readonly evidence: string }

/** Collects what comes on the checker's descriptor of verdicts. */
export function createRecordReader(): { push: (chunk: Buffer) => void; bytes: () => Buffer | null } {
  const chunks: Buffer[] = []
  let size = 0
  return {
    push: (chunk) => {
      size += chunk.length
      if (size <= MAX_RECORD_BYTES) chunks.push(chunk)
    },
    bytes: () => (size === 0 || size > MAX_RECORD_BYTES ? null : Buffer.concat(chunks)),
  }
}

/**
 * The verdict that a record proves, or why it proves none. A pass needs one well-formed record, the
 * nonce, the candidate's hash, at least one call, and the same counts as the runner's own.
 */
export function readRecord(bytes: Buffer | null, expected: Expected): Judgement | { refused: string } {
  if (bytes === null) return { refused: 'the check program ended without a verdict' }
  let json: unknown
  try {
    json = JSON.parse(bytes.toString('utf8'))
  } catch {
    return { refused: 'the record of the verdict is malformed' }
  }
  const parsed = recordSchema.safeParse(json)
  if (!parsed.success) return { refused: 'the record of the verdict is malformed' }
  const record = parsed.data
  if (!sameText(record.nonce, expected.nonce)) return { refused: 'the record of the verdict has the wrong nonce' }
  if (record.candidateSha256 !== expected.candidateSha256 || record.checkId !== expected.checkId) {
    return { refused: 'the record of the verdict is of another candidate or check' }
  }
  if (record.calls !== expected.calls || record.answered !== expected.answered) {
    return { refused: 'the record of the verdict counts other calls than were made' }
  }
  if (record.verdict === 'pass' && (record.calls < 1 || record.answered !== record.calls)) {
    return { refused: 'a pass needs at least one call and an answer to each' }
  }
  return { verdict: record.verdict, evidence: record.verdict === 'pass' ? '' : record.evidence }
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
