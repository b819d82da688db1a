import { z } from 'zod'

/** What a key may do. `admin` implies every other scope. */
export const scopeSchema = z.enum(['complete', 'execute', 'loops', 'admin', 'metrics', 'runner'])
export type Scope = z.infer<typeof scopeSchema>

/** Who presents a key: the tenant pays, the name is for people, the secret is never kept. */
export type Principal = {
  readonly tenant: string
  readonly name: string
  readonly scopes: ReadonlySet<Scope>
}

/** A key as the operator configures it: only the SHA-256 (hex) of the secret. */
export const configuredKeySchema = z.strictObject({
  tenant: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/),
  name: z.string().min(1).max(100),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  scopes: z.array(scopeSchema).min(1),
})
export type ConfiguredKey = z.infer<typeof configuredKeySchema>
