/**
 * Every Redis key of this package. The part in braces is the hash tag: all that belongs to one
 * generation lies in one slot of a cluster.
 */
export const generationKey = (prefix: string, key: string): string => `${prefix}:gen:{${key}}`

/** The secret of the installation, if the operator gave none. */
export const secretKey = (prefix: string): string => `${prefix}:gen:secret`
