import { generationKey } from '../cache/keys.ts'

/** Who leads the generation of a key, in the same slot of a cluster as what is stored. */
export const flightKey = (prefix: string, key: string): string => `${generationKey(prefix, key)}:flight`

/** The replicas: when each lapses, and where it is. One slot for both. */
export const replicaKeys = (prefix: string): [lapses: string, addresses: string] => [
  `${prefix}:gen:{replicas}:lapse`,
  `${prefix}:gen:{replicas}:address`,
]
