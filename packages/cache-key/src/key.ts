import { createHmac, createSecretKey } from 'node:crypto'
import type { Surface } from '@loopgate/contracts'
import { canonicalize } from './canonical.ts'
import { LEFT_OUT } from './fields.ts'

/** Raised whenever the meaning of a key changes, so that old entries never match again. */
export const KEY_VERSION = 1

export type KeyInput = {
  /** Who may share the generation: the tenant. */
  readonly scope: string
  readonly surface: Surface
  /** Which independent sample of the request is meant, from 0. */
  readonly sampleIndex: number
  /** The request as it goes upstream. */
  readonly request: Readonly<Record<string, unknown>>
}

const LEFT_OUT_NAMES: ReadonlySet<string> = new Set(LEFT_OUT.keys())

/**
 * What a key is made from, as text; for people who ask why two requests do not share.
 * @throws CanonicalError if the request has no canonical form
 */
export function canonicalForm({ scope, surface, sampleIndex, request }: KeyInput): string {
  const head = canonicalize({ sample: sampleIndex, scope, surface, version: KEY_VERSION })
  // "request" sorts before "sample", so the whole is canonical too.
  return `{"request":${canonicalize(request, LEFT_OUT_NAMES)},${head.slice(1)}`
}

/** Makes the function from a request to its key: 64 hex digits, of no use without the installation's secret. */
export function createKeyMaker(secret: string): (input: KeyInput) => string {
  const hmacKey = createSecretKey(secret, 'utf8')
  return (input) => createHmac('sha256', hmacKey).update(canonicalForm(input), 'utf8').digest('hex')
}
