import { z } from 'zod'
import {
  CANNOT_ISOLATE,
  canIsolate,
  checkSchema,
  isolationSchema,
  limitsSchema,
  outcomeSchema,
  verdictSchema,
} from './execution.ts'
import { checkedLanguageSchema } from './language.ts'

/** How the samples of a loop are drawn. */
export const samplingSchema = z.strictObject({
  model: z.string().min(1).max(200),
  temperature: z.number().min(0).max(2).default(0.8),
  topP: z.number().min(0).max(1).optional(),
  maxCompletionTokens: z.int().min(1).max(131_072).default(1024),
  fanOut: z.int().min(1).max(100).default(8).describe('Iterations of one wave that run at once'),
})
export type Sampling = z.infer<typeof samplingSchema>

/** Mandatory: a loop without any limit is refused, and 0 means zero, never unlimited. */
export const budgetSchema = z
  .strictObject({
    iterations: z.int().min(0).optional(),
    tokens: z.int().min(0).optional(),
    seconds: z.number().min(0).optional(),
  })
  .refine(
    (budget) => Object.values(budget).some((value) => value !== undefined),
    'a loop needs a budget: set at least one of iterations, tokens, seconds',
  )
export type Budget = z.infer<typeof budgetSchema>

/** `POST /api/loops`. */
export const loopRequestSchema = z
  .strictObject({
    goal: z
      .string()
      .min(1)
      .max(256 * 1024)
      .describe('What the model is asked for'),
    language: checkedLanguageSchema,
    scaffold: z
      .string()
      .max(256 * 1024)
      .default('')
      .describe('Code that the answer continues; the candidate is scaffold plus answer, unless the answer is fenced'),
    checks: z.array(checkSchema).min(1).max(16).describe('All must pass for a candidate to be accepted'),
    sampling: samplingSchema,
    budget: budgetSchema,
    limits: limitsSchema.prefault({}).describe('Limits of each execution'),
    isolation: isolationSchema.default('process').describe('Isolation of each execution'),
    labels: z.record(z.string().max(63), z.string().max(200)).default({}),
  })
  .refine(canIsolate, CANNOT_ISOLATE)
export type LoopRequest = z.infer<typeof loopRequestSchema>
export type LoopInput = z.input<typeof loopRequestSchema>

export const loopStateSchema = z.enum([
  'queued',
  'running',
  'paused',
  'stopping',
  'accepted',
  'exhausted',
  'stalled',
  'failed',
  'cancelled',
])
export type LoopState = z.infer<typeof loopStateSchema>
export const TERMINAL_STATES: ReadonlySet<LoopState> = new Set([
  'accepted',
  'exhausted',
  'stalled',
  'failed',
  'cancelled',
])

export const cacheOutcomeSchema = z.enum(['hit', 'miss', 'coalesced', 'bypass'])
export type CacheOutcome = z.infer<typeof cacheOutcomeSchema>

/** One judged iteration: the turn of one candidate. `iteration` counts from 1, dense. */
export const iterationRecordSchema = z.object({
  iteration: z.int().min(1),
  wave: z.int().min(1),
  sampleIndex: z.int().min(0),
  cache: cacheOutcomeSchema,
  completionTokens: z.int(),
  totalTokens: z.int(),
  candidateSha256: z.string(),
  duplicateOf: z.int().nullable().describe('The iteration whose verdict and evidence were reused'),
  outcome: outcomeSchema,
  verdict: verdictSchema,
  evidence: z.string(),
})
export type IterationRecord = z.infer<typeof iterationRecordSchema>

export const acceptedSchema = z.object({
  iteration: z.int(),
  sampleIndex: z.int(),
  candidateSha256: z.string(),
  code: z.string(),
})
export type Accepted = z.infer<typeof acceptedSchema>

const countsSchema = z.object({
  iterations: z.int(),
  waves: z.int(),
  duplicates: z.int(),
  executions: z.int(),
  tokens: z.int(),
  generations: z.object({ hit: z.int(), miss: z.int(), coalesced: z.int(), bypass: z.int() }),
})
export type LoopCounts = z.infer<typeof countsSchema>

export const loopViewSchema = z.object({
  id: z.string(),
  state: loopStateSchema,
  reason: z.string().nullable().describe('Why the loop ended or paused, in words; names the budget that ran out'),
  counts: countsSchema,
  accepted: acceptedSchema.nullable(),
  request: loopRequestSchema,
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
  lastSeq: z.int().describe('Number of the latest event'),
})
export type LoopView = z.infer<typeof loopViewSchema>

/** Events of a loop: one a transition, `seq` dense from 1, written before they are sent. */
export const loopEventSchema = z.object({
  seq: z.int().min(1),
  at: z.iso.datetime(),
  event: z.discriminatedUnion('type', [
    z.object({ type: z.literal('state'), state: loopStateSchema, reason: z.string().nullable() }),
    z.object({ type: z.literal('iteration'), record: iterationRecordSchema }),
    z.object({ type: z.literal('accepted'), accepted: acceptedSchema }),
  ]),
})
export type LoopEvent = z.infer<typeof loopEventSchema>
export type LoopEventBody = LoopEvent['event']
