import { PROTOCOL_MINOR, PROTOCOL_VERSION } from '@loopgate/contracts'

/** What each side says of itself in its greeting. */
export const OWN_VERSION = { version: PROTOCOL_VERSION, minor: PROTOCOL_MINOR } as const

/** Why the other side cannot be spoken with, in words that fit a close reason and tell the operator what to do; null if it can. */
export function refuseVersion(theirs: { readonly version: number; readonly minor: number }): string | null {
  if (theirs.version === PROTOCOL_VERSION) return null
  const older = theirs.version < PROTOCOL_VERSION ? 'the other side' : 'this side'
  return `protocol ${theirs.version}.${theirs.minor} meets ${PROTOCOL_VERSION}.${PROTOCOL_MINOR}: upgrade ${older}`
}
