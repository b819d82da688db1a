import { hash } from 'node:crypto'
import { canonicalize } from './canonical.ts'
import { LEFT_OUT } from './fields.ts'
import type { FamilyInput } from './key.ts'

/** Digests tell the few values of one field apart; nobody can choose them to meet. */
const DIGITS = 10
/** Messages with a digest of their own; those behind them share one. */
const MAX_MESSAGES = 64

/**
 * A short digest of everything that a key depends on but the sample, by name and, for the messages,
 * by number: two requests with different keys differ in at least one.
 * @throws CanonicalError if the request has no canonical form
 */
export function fieldDigests({
  request,
  scope,
  namespace,
  surface,
  idempotencyKey,
}: FamilyInput): Record<string, string> {
  const found: [string, string][] = []
  for (const name of Object.keys(request).sort()) {
    if (LEFT_OUT.has(name)) continue
    const value = request[name]
    if (name === 'messages' && Array.isArray(value) && value.length > 0) {
      value.slice(0, MAX_MESSAGES).forEach((message, index) => found.push([`messages.${index}`, digest(message)]))
      if (value.length > MAX_MESSAGES) found.push([`messages.${MAX_MESSAGES}+`, digest(value.slice(MAX_MESSAGES))])
    } else if (value !== undefined) found.push([name, digest(value)])
  }
  const around = { idempotencyKey, namespace, scope, surface }
  for (const [name, value] of Object.entries(around)) found.push([`(${name})`, digest(value)])
  return Object.fromEntries(found)
}

const digest = (value: unknown): string => hash('sha256', canonicalize(value), 'hex').slice(0, DIGITS)
