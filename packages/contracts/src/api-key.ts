import { z } from 'zod'

/** What a key may do. `admin` implies every other scope. */
export const scopeSchema = z.enum(['complete', 'execute', 'loops', 'admin', 'metrics', 'runner'])
export type Scope = z.infer<typeof scopeSchema>

/** What a key's completions ask of the cache unless their headers say otherwise. */
export const cacheDefaultsSchema = z.strictObject({
  /** `shared` counts only if the operator allows it for the installation. */
  scope: z.enum(['tenant', 'shared']).optional(),
  ttlSeconds: z.int().min(1).max(31_622_400).optional(),
  /** `off` shares only what names a sample or has an idempotency key. */
  mode: z.enum(['auto', 'off']).optional(),
})
export type CacheDefaults = z.infer<typeof cacheDefaultsSchema>

/** Who presents a key: the tenant pays, the name is for people, the secret is never kept. */
export type Principal = {
  readonly tenant: string
  readonly name: string
  readonly scopes: ReadonlySet<Scope>
  /** What holds for completions whose headers do not say otherwise. */
  readonly cache?: CacheDefaults
}

/** A key as the operator configures it: only the SHA-256 (hex) of the secret. */
export const configuredKeySchema = z.strictObject({
  tenant: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/),
  name: z.string().min(1).max(100),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  scopes: z.array(scopeSchema).min(1),
  cache: cacheDefaultsSchema.optional(),
})
export type ConfiguredKey = z.infer<typeof configuredKeySchema>

const amount = (what: string) => z.int().min(0).max(Number.MAX_SAFE_INTEGER).optional().describe(what)

/** Hard limits of a key or of a tenant; what is absent is not limited, and 0 allows nothing. */
export const spendLimitsSchema = z.strictObject({
  requestsPerMinute: amount('Completions and executions within any 60 s'),
  tokensPerMinute: amount(
    'Tokens within any 60 s, prompt and completion; those of answers under way count as reserved',
  ),
  concurrentGenerations: amount('Completions under way at once'),
  concurrentExecutions: amount('Executions waiting or running at once'),
  tokensPerDay: amount('Tokens since midnight UTC'),
  microUsdPerDay: amount('Millionths of a US dollar since midnight UTC'),
  tokensTotal: amount('Tokens ever'),
  microUsdTotal: amount('Millionths of a US dollar ever'),
})
export type SpendLimits = z.infer<typeof spendLimitsSchema>
