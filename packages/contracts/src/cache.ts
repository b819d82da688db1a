import { z } from 'zod'
import { usageSchema } from './completion.ts'

/** `POST /api/cache/{key}/verdict`: what an evaluator found about a stored answer. */
export const verdictRequestSchema = z.strictObject({
  verdict: z.enum(['pass', 'fail']),
  evaluator: z.string().min(1).max(100).optional().describe('Who or what judged it'),
  note: z.string().max(1000).optional(),
})
export type VerdictRequest = z.infer<typeof verdictRequestSchema>

/** A verdict as it is kept. A later one replaces it. */
export const verdictRecordSchema = verdictRequestSchema.extend({ judgedAt: z.iso.datetime() })
export type VerdictRecord = z.infer<typeof verdictRecordSchema>

/** `GET /api/cache/{key}`: what is known of a stored answer, without the answer. */
export const cacheEntrySchema = z.object({
  key: z.string(),
  scope: z.enum(['tenant', 'shared']),
  surface: z.enum(['chat', 'text']),
  model: z.string(),
  sampleIndex: z.int(),
  storedAt: z.iso.datetime(),
  ageSeconds: z.int(),
  finishReasons: z.array(z.string()),
  usage: usageSchema.nullable(),
  recordedAs: z.enum(['stream', 'document']).describe('How the upstream gave it; both shapes are served'),
  bytes: z.int().describe('Size of the answer as recorded, before compression'),
  verdict: verdictRecordSchema.nullable(),
})
export type CacheEntryView = z.infer<typeof cacheEntrySchema>

const countersSchema = z.object({
  hits: z.int(),
  misses: z.int(),
  coalesced: z.int(),
  bypassed: z.int(),
  stored: z.int().describe('Answers stored, whether or not they have expired since'),
  storedBytes: z.int().describe('Their size before compression'),
  savedTokens: z.int().describe('Tokens of answers that came from the cache or a shared flight'),
})
export type CacheCounters = z.infer<typeof countersSchema>

/** `GET /api/cache`: counted over all replicas since the last purge of the tenant, a second late at most. */
export const cacheStatisticsSchema = z.object({
  tenants: z.array(
    z.object({
      tenant: z.string(),
      models: z.array(countersSchema.extend({ model: z.string() })),
    }),
  ),
})
export type CacheStatistics = z.infer<typeof cacheStatisticsSchema>

/** `DELETE /api/cache`. */
export const purgedSchema = z.object({ tenant: z.string(), namespace: z.int() })
export type Purged = z.infer<typeof purgedSchema>

/** `POST /api/cache/explain`: a request as it would be sent to `/v1`. */
export const explainRequestSchema = z.strictObject({
  surface: z.enum(['chat', 'text']).default('chat'),
  body: z.record(z.string(), z.unknown()),
  headers: z.record(z.string(), z.string()).default({}).describe('The x-loopgate and cache-control headers'),
  compareWith: z.string().optional().describe('Key of a stored answer of the same tenant'),
})
export type ExplainInput = z.input<typeof explainRequestSchema>

export const explanationSchema = z.object({
  shareable: z.boolean(),
  why: z.string(),
  outcome: z.enum(['hit', 'miss', 'coalesced', 'bypass']).describe('What the request would meet on this replica now'),
  key: z.string().nullable(),
  sampleIndex: z.int().nullable().describe('Null where it would be given out when asked for'),
  canonical: z.string().nullable().describe('What the key is made of, as canonical JSON'),
  normalised: z.array(z.string()).describe('Fields that would be removed or converted first'),
  entry: cacheEntrySchema.nullable().describe('What would be served'),
  differs: z
    .object({ field: z.string(), here: z.string(), there: z.string() })
    .nullable()
    .describe('The first field that differs from `compareWith`, and how it stands on either side'),
})
export type Explanation = z.infer<typeof explanationSchema>
