import { timingSafeEqual } from 'node:crypto'
import { NOT_AUTHENTICATED, WRONG_KEY, WRONG_SCHEME, type ErrorReply } from './errors.ts'

type Caller = { readonly organisation: string }
type Authentication = Caller | { readonly error: ErrorReply }
export type Authenticator = (header: string | undefined) => Authentication

/** Every key of Cerebras begins so. */
const KEY_PREFIX = 'csk-'

/**
 * The organisation a key belongs to: what stands between `csk-` and the next dash, else the whole
 * key. So `csk-acme-1` and `csk-acme-2` share one set of rate limits, as two keys of one customer do.
 */
function organisationOf(key: string): string {
  return key.slice(KEY_PREFIX.length).split('-', 1)[0] ?? key
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

/** Judges the authorization header: no header 403, another scheme 403, a wrong key 401. */
export function createAuthenticator(keys: readonly string[] | null): Authenticator {
  return (header) => {
    const [scheme = '', ...rest] = header?.split(' ') ?? []
    const key = rest.join(' ').trim()
    if (scheme === '' || key === '') return { error: NOT_AUTHENTICATED }
    if (scheme.toLowerCase() !== 'bearer') return { error: WRONG_SCHEME }
    const known = keys === null ? key.startsWith(KEY_PREFIX) : keys.some((candidate) => sameText(candidate, key))
    return known ? { organisation: organisationOf(key) } : { error: WRONG_KEY }
  }
}
