import { isolationSchema, type Isolation } from '@loopgate/contracts'

/** A bad argument, told in one sentence. */
export class UsageError extends Error {}

/** @throws UsageError naming the option and what it takes */
export function whole(name: string, text: string, max: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw new UsageError(`--${name} takes a whole number from 1 to ${max}, not "${text}"`)
  }
  return value
}

/** @throws UsageError naming the tiers that `--isolation` takes */
export function tier(text: string): Isolation {
  const parsed = isolationSchema.safeParse(text)
  if (!parsed.success) throw new UsageError(`--isolation takes ${isolationSchema.options.join(' or ')}, not "${text}"`)
  return parsed.data
}
