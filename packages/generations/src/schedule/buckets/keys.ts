import { hash } from 'node:crypto'

/**
 * The buckets of one organisation and model: what there is, who lives, and what each holds. One slot
 * for all three; names are hashed, since a model's may hold anything.
 */
export function bucketKeys(prefix: string, organisation: string, model: string): [string, string, string] {
  const tag = `${prefix}:gen:{bucket:${hash('sha256', `${organisation}\n${model}`).slice(0, 32)}}`
  return [tag, `${tag}:leases`, `${tag}:held`]
}
