import type { ConfiguredKey, Principal } from '@loopgate/contracts'
import type { Clock, Logger } from '@loopgate/service-kit'
import type { Payer } from '../payer.ts'
import type { Link } from '../types.ts'
import { createMirror, type Mirror } from './mirror.ts'
import { createRingReader, EMPTY } from './reader.ts'

export type Ring = {
  /** Who presents a secret with this SHA-256 (hex), as this replica knows it; null for nobody. Never waits. */
  readonly find: (sha256: string) => Principal | null
  /** Whom the key of this id stands for, as this replica knows it; null once it is revoked, has expired or is gone. */
  readonly holder: (keyId: string) => Principal | null
  /** Who pays for what a key has asked for before, with the limits of now; a key that is gone has those of its tenant. */
  readonly payer: (tenant: string, keyId: string) => Payer
  readonly mirror: () => Mirror
  /** Grows with every change that this replica has seen. */
  readonly version: () => number
  /** Reads the ring anew; false if Redis is away. */
  readonly refresh: () => Promise<boolean>
  readonly close: () => void
}

/** A change made on another replica is seen after so long at most: a revoked key works for half a second. */
const POLL_MS = 500

/**
 * The keys of the installation, mirrored whole in this process, so that a request needs no command to
 * be known. One small command twice a second asks for the version; pub/sub would be quicker but loses
 * what is said while a connection is down. While Redis is away the last mirror goes on.
 */
export function createRing(
  { link, clock, logger }: { link: Link | null; clock: Clock; logger: Logger },
  { keyPrefix, configured }: { keyPrefix: string; configured: readonly ConfiguredKey[] },
): Ring {
  const read = link === null ? null : createRingReader({ link, logger }, { keyPrefix })
  let contents = EMPTY
  let mirror = createMirror(configured, contents)
  let version = 0
  let closed = false
  let reading = Promise.resolve(true)
  if (link !== null) clock.after(POLL_MS, poll)

  return {
    find: (sha256) => mirror.find(sha256, clock.wallNow()),
    holder: (keyId) => mirror.holder(keyId, clock.wallNow()),
    payer: (tenant, keyId) => mirror.payer(tenant, keyId),
    mirror: () => mirror,
    version: () => version,
    refresh,
    close: () => void (closed = true),
  }

  function poll(): void {
    if (closed) return
    void refresh().finally(() => clock.after(POLL_MS, poll))
  }

  /** One after the other: what was read earlier must not replace what was read later. */
  async function refresh(): Promise<boolean> {
    reading = reading.then(readOnce)
    return await reading
  }

  async function readOnce(): Promise<boolean> {
    const latest = (await read?.(contents)) ?? null
    if (latest === null || closed) return false
    if (latest === contents) return true
    contents = latest
    mirror = createMirror(configured, contents)
    version++
    return true
  }
}
