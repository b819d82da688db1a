import { z } from 'zod'

/** What a key may do. `worker` acts in the name of whoever made a loop; `admin` implies every other scope. */
export const scopeSchema = z.enum(['complete', 'execute', 'loops', 'admin', 'metrics', 'runner', 'worker'])
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

/** Priority classes of the scheduler, the most urgent first. */
export const prioritySchema = z.enum(['interactive', 'loop', 'batch'])
export type Priority = z.infer<typeof prioritySchema>

/** Whether a bound that was learnt from earlier answers may be put on an output. */
export const outputCapSchema = z.enum(['learnt', 'none'])
export type OutputCap = z.infer<typeof outputCapSchema>

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

/** What an API key may do and has, however it was made. */
const grants = {
  tenant: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'expected 1 to 63 of a-z, 0-9, - and _, the first no sign'),
  name: z.string().min(1).max(100).describe('For people'),
  scopes: z.array(scopeSchema).min(1).max(scopeSchema.options.length),
  models: z
    .array(z.string().min(1).max(200))
    .min(1)
    .max(100)
    .optional()
    .describe('The only models that its completions may name; any if absent'),
  cache: cacheDefaultsSchema.optional(),
  priorityCeiling: prioritySchema.optional().describe('The most urgent class that its requests may ask for'),
  outputCap: outputCapSchema.optional().describe('Whether learnt bounds may be put on its output; learnt if absent'),
  labels: z.record(z.string().min(1).max(63), z.string().max(200)).optional().describe('For people; no meaning here'),
  limits: spendLimitsSchema.optional(),
}

/** Who presents a key: the tenant pays, the name is for people, the secret is never kept. */
export type Principal = {
  readonly tenant: string
  readonly name: string
  /** Names the key in metrics and records of its tenant; never the secret or its digest. */
  readonly keyId: string
  readonly scopes: ReadonlySet<Scope>
  /** What holds for completions whose headers do not say otherwise. */
  readonly cache?: CacheDefaults
  /** The only models that it may name. */
  readonly models?: ReadonlySet<string>
  readonly priorityCeiling?: Priority
  readonly outputCap?: OutputCap
  readonly limits: { readonly key: SpendLimits; readonly tenant: SpendLimits }
}

/** A key as the operator configures it: only the SHA-256 (hex) of the secret. */
export const configuredKeySchema = z.strictObject({ ...grants, sha256: z.string().regex(/^[0-9a-f]{64}$/) })
export type ConfiguredKey = z.infer<typeof configuredKeySchema>

/** `POST /api/keys`. */
export const newKeySchema = z.strictObject({
  ...grants,
  expiresAt: z.iso.datetime().optional().describe('From then on it is refused'),
})
export type NewKey = z.infer<typeof newKeySchema>

/** `PATCH /api/keys/{id}`: what is absent stays; null takes an optional member away. */
export const keyChangeSchema = z.strictObject({
  name: grants.name.optional(),
  scopes: grants.scopes.optional(),
  models: grants.models.nullable(),
  cache: grants.cache.nullable(),
  priorityCeiling: grants.priorityCeiling.nullable(),
  outputCap: grants.outputCap.nullable(),
  labels: grants.labels.nullable(),
  limits: grants.limits.nullable(),
  expiresAt: z.iso.datetime().nullable().optional(),
})
export type KeyChange = z.infer<typeof keyChangeSchema>

/** `POST /api/keys/{id}/rotate`. */
export const rotationSchema = z.strictObject({
  overlapSeconds: z
    .int()
    .min(0)
    .max(31_536_000)
    .default(3600)
    .describe('How long the old secret goes on working beside the new one'),
})

/** A key as it is shown: everything but its secret. */
export const keyViewSchema = z.object({
  ...grants,
  id: z.string(),
  state: z.enum(['active', 'expired', 'revoked']),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().optional(),
  revokedAt: z.iso.datetime().optional(),
  rotatedAt: z.iso.datetime().optional(),
  oldSecretUntil: z.iso.datetime().optional().describe('The secret before the last rotation works until then'),
})
export type KeyView = z.infer<typeof keyViewSchema>

/** The one time that a secret is told. */
export const keyWithSecretSchema = keyViewSchema.extend({ secret: z.string().describe('Shown this once') })
export type KeyWithSecret = z.infer<typeof keyWithSecretSchema>
export const keyListSchema = z.object({ keys: z.array(keyViewSchema) })

/** `PUT /api/tenants/{tenant}`: limits of all its keys together. */
export const tenantSettingsSchema = z.strictObject({ limits: spendLimitsSchema })
export const tenantViewSchema = tenantSettingsSchema.extend({ tenant: z.string() })
export type TenantView = z.infer<typeof tenantViewSchema>
export const tenantListSchema = z.object({ tenants: z.array(tenantViewSchema) })

const spent = z.object({ tokens: z.int(), microUsd: z.int() })
/** What a key or a tenant has used and holds. */
export const usageViewSchema = z.object({
  minute: z.object({ requests: z.int(), tokens: z.int() }).describe('In the last 60 to 65 s'),
  day: spent.describe('Since midnight UTC'),
  total: spent,
  reserved: spent.extend({ generations: z.int(), executions: z.int() }).describe('Held for what is under way'),
})
export type UsageView = z.infer<typeof usageViewSchema>

/** One change of keys or tenants; never a secret or its digest. */
export const auditEntrySchema = z.object({
  id: z.string().describe('Ascending; `after` of the next page'),
  at: z.iso.datetime(),
  by: z.string().describe('Tenant and name of the key that did it, or `bootstrap`'),
  action: z.enum(['key.created', 'key.changed', 'key.rotated', 'key.revoked', 'tenant.set', 'tenant.removed']),
  subject: z.string().describe('Id of the key, or name of the tenant'),
  change: z.record(z.string(), z.unknown()),
})
export type AuditEntry = z.infer<typeof auditEntrySchema>
export const auditPageSchema = z.object({ entries: z.array(auditEntrySchema), next: z.string().nullable() })
export type AuditPage = z.infer<typeof auditPageSchema>
