import { type KeyView, newKeySchema } from '@loopgate/contracts'
import { z } from 'zod'

/** A key as Redis keeps it: the SHA-256 of its secrets, never a secret. */
export const keyRecordSchema = newKeySchema.extend({
  id: z.string(),
  sha256: z.string(),
  createdAt: z.iso.datetime(),
  rotatedAt: z.iso.datetime().optional(),
  revokedAt: z.iso.datetime().optional(),
  /** The secret before the last rotation. */
  old: z.strictObject({ sha256: z.string(), until: z.iso.datetime() }).optional(),
})
export type KeyRecord = z.infer<typeof keyRecordSchema>

/** What may be shown of a key. */
export function viewOf(record: KeyRecord, now: number): KeyView {
  const { old } = record
  return {
    ...without(record, 'sha256', 'old'),
    state: stateOf(record, now),
    ...(old !== undefined && isAfter(old.until, now) && { oldSecretUntil: old.until }),
  }
}

function stateOf({ revokedAt, expiresAt }: Pick<KeyRecord, 'revokedAt' | 'expiresAt'>, now: number): KeyView['state'] {
  if (revokedAt !== undefined) return 'revoked'
  return expiresAt !== undefined && !isAfter(expiresAt, now) ? 'expired' : 'active'
}

const isAfter = (time: string, now: number): boolean => Date.parse(time) > now

/** A copy without these members. */
export function without<T extends object, K extends keyof T>(value: T, ...names: readonly K[]): Omit<T, K> {
  const copy: T = { ...value }
  for (const name of names) delete copy[name]
  return copy
}
