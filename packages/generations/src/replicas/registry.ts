import type { Clock, Logger } from '@loopgate/service-kit'
import type { Connection } from '../cache/connection.ts'
import { replicaKeys } from './keys.ts'
import { scripted } from './scripts.ts'

/** A live replica, as the registry has it. */
export type Replica = { readonly id: string; readonly address: string }

/** The other replicas that live, as far as is known. */
export type Registry = {
  readonly peers: () => readonly Replica[]
  /** Enters this replica and keeps it entered. Resolves after the first heartbeat, whether it got through or not. */
  readonly announce: (address: string) => Promise<void>
  /** Takes it out. */
  readonly leave: () => Promise<void>
}

export type RegistryOptions = {
  readonly prefix: string
  readonly id: string
  /** After this long without a heartbeat a replica counts as gone; it beats three times as often. */
  readonly ttlMs: number
  /** Called with the others whenever they have changed. */
  readonly changed: (peers: readonly Replica[]) => void
}

/** The replicas in Redis. While Redis is away the last ones known stay. */
export function createReplicaRegistry(
  { connection, clock, logger }: { connection: Connection | null; clock: Clock; logger: Logger },
  { prefix, id, ttlMs, changed }: RegistryOptions,
): Registry {
  let peers: readonly Replica[] = []
  let address: string | null = null
  let stop: () => void = () => {}

  return {
    peers: () => peers,
    async announce(where) {
      if (connection === null || address !== null) return
      address = where
      await beat(connection, where)
    },
    async leave() {
      stop()
      if (connection === null || address === null) return
      const left = address
      address = null
      await connection.attempt((redis) => scripted(redis).lgBeat(...replicaKeys(prefix), id, left, 0))
    },
  }

  async function beat(connection: Connection, where: string): Promise<void> {
    const list = await connection.attempt((redis) => scripted(redis).lgBeat(...replicaKeys(prefix), id, where, ttlMs))
    if (address === null) return
    if (list !== null) update(list)
    stop = clock.after(ttlMs / 3, () => void beat(connection, where))
  }

  function update(list: readonly string[]): void {
    const found: Replica[] = []
    for (let at = 0; at + 1 < list.length; at += 2) {
      const [other = '', where = ''] = list.slice(at, at + 2)
      if (other !== id && URL.canParse(where)) found.push({ id: other, address: where })
    }
    found.sort((a, b) => a.id.localeCompare(b.id))
    const same = found.length === peers.length && found.every(({ id: each }, at) => peers[at]?.id === each)
    if (same) return
    peers = found
    logger.info({ peers: found }, 'the replicas have changed')
    changed(found)
  }
}
