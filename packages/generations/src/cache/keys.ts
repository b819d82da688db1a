import { familyOf, sampleOf } from '@loopgate/cache-key'

/*
 * Every Redis key of this package. The part in braces is the hash tag: all that belongs to one
 * request, whichever sample of it, lies in one slot of a cluster.
 */

/** Where all that belongs to the family of a key begins, with the hash tag. */
const familyPrefix = (prefix: string, key: string): string => `${prefix}:gen:{${familyOf(key)}}`

/** A stored generation. */
export const generationKey = (prefix: string, key: string): string =>
  `${familyPrefix(prefix, key)}:entry:${sampleOf(key)}`

/** The secret of the installation, if the operator gave none. */
export const secretKey = (prefix: string): string => `${prefix}:gen:secret`
