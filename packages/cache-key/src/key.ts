import { createHmac, createSecretKey } from 'node:crypto'
import type { Surface } from '@loopgate/contracts'
import { canonicalize } from './canonical.ts'
import { LEFT_OUT } from './fields.ts'

/** Raised whenever the meaning of a key changes, so that old entries never match again. */
export const KEY_VERSION = 2

export type FamilyInput = {
  /** Who may share the generation: the tenant, or everybody. */
  readonly scope: string
  /** Version of the scope's namespace: raising it purges everything of the scope at once. */
  readonly namespace: number
  readonly surface: Surface
  /** The caller's own key of an idempotent call, which is shared with its repetitions alone. */
  readonly idempotencyKey: string | null
  /** The request as it goes upstream. */
  readonly request: Readonly<Record<string, unknown>>
}

const LEFT_OUT_NAMES: ReadonlySet<string> = new Set(LEFT_OUT.keys())

/** 224 bits of the HMAC name the family: the request whatever the sample. */
const FAMILY_DIGITS = 56
const SAMPLE_DIGITS = 8
const KEY = new RegExp(`^[0-9a-f]{${FAMILY_DIGITS + SAMPLE_DIGITS}}$`)

/**
 * What a family is made from, as text; with a sample index, for people who ask why two requests do
 * not share.
 * @throws CanonicalError if the request has no canonical form
 */
export function canonicalForm(
  { scope, namespace, surface, idempotencyKey, request }: FamilyInput,
  sampleIndex?: number,
): string {
  const idempotency = idempotencyKey === null ? {} : { idempotency: idempotencyKey }
  const before = canonicalize({ ...idempotency, namespace })
  const sample = sampleIndex === undefined ? {} : { sample: sampleIndex }
  const after = canonicalize({ ...sample, scope, surface, version: KEY_VERSION })
  // "request" sorts between the two, so the whole is canonical too.
  return `${before.slice(0, -1)},"request":${canonicalize(request, LEFT_OUT_NAMES)},${after.slice(1)}`
}

/** Makes the function from a request to its family: 56 hex digits, of no use without the installation's secret. */
export function createFamilyMaker(secret: string): (input: FamilyInput) => string {
  const hmacKey = createSecretKey(secret, 'utf8')
  return (input) =>
    createHmac('sha256', hmacKey).update(canonicalForm(input), 'utf8').digest('hex').slice(0, FAMILY_DIGITS)
}

/** The key of one sample of a family: 64 hex digits, the last eight the sample index (below 2^32). */
export const keyOf = (family: string, sampleIndex: number): string =>
  family + sampleIndex.toString(16).padStart(SAMPLE_DIGITS, '0')

/** The family that a key belongs to. */
export const familyOf = (key: string): string => key.slice(0, FAMILY_DIGITS)

/** The sample that a key means. */
export const sampleOf = (key: string): number => Number.parseInt(key.slice(FAMILY_DIGITS), 16)

/** Whether a text has the form of a key. */
export const isKey = (text: string): boolean => KEY.test(text)
