import { randomBytes } from 'node:crypto'

/** A new id such as `loop_5f0c…`: a readable prefix and 96 random bits in hex. */
export function newId(prefix: string): string {
  return `${prefix}_${randomBytes(12).toString('hex')}`
}
