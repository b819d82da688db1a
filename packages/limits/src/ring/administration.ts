import { createHash, randomBytes } from 'node:crypto'
import type {
  AuditEntry,
  KeyChange,
  KeyView,
  KeyWithSecret,
  NewKey,
  SpendLimits,
  TenantView,
} from '@loopgate/contracts'
import { type Clock, fault, newId } from '@loopgate/service-kit'
import type { Redis } from 'ioredis'
import { scripted } from '../scripts.ts'
import type { Link } from '../types.ts'
import { ringKeys } from './keys.ts'
import { type KeyRecord, keyRecordSchema, viewOf, without } from './record.ts'
import type { Ring } from './ring.ts'

/** All are rejected with LG_STORE_UNAVAILABLE while Redis is away, and with LG_NOT_FOUND for an unknown id. */
export type KeyAdministration = {
  /** The secret is in this answer and nowhere else. */
  readonly create: (by: string, wanted: NewKey) => Promise<KeyWithSecret>
  /** The first admin key of an installation; null if there is any key already, made here or on another replica. */
  readonly bootstrap: (wanted: NewKey) => Promise<KeyWithSecret | null>
  readonly list: (tenant: string | null) => Promise<KeyView[]>
  readonly get: (id: string) => Promise<KeyView>
  readonly change: (by: string, id: string, change: KeyChange) => Promise<KeyView>
  /** A new secret; the old one works on for the overlap. */
  readonly rotate: (by: string, id: string, overlapSeconds: number) => Promise<KeyWithSecret>
  /** For good; no replica takes it a second later. */
  readonly revoke: (by: string, id: string) => Promise<KeyView>
  readonly tenants: () => Promise<TenantView[]>
  readonly tenant: (tenant: string) => Promise<TenantView>
  readonly setTenant: (by: string, tenant: string, limits: SpendLimits) => Promise<TenantView>
  readonly removeTenant: (by: string, tenant: string) => Promise<void>
  /** Changes after the entry of this id, oldest first. */
  readonly audit: (after: string | null, count: number) => Promise<AuditEntry[]>
}

type Action = AuditEntry['action']

/** Tries of a change that others keep overtaking. */
const TRIES = 5

const sha256 = (secret: string): string => createHash('sha256').update(secret).digest('hex')
/** 256 random bits; the prefix lets scanners of leaked secrets know it. */
const newSecret = (): string => `lgk-${randomBytes(32).toString('base64url')}`

/** What is done to keys and tenants, each change with its entry in the audit stream. */
export function createKeyAdministration(
  { link, ring, clock }: { link: Link | null; ring: Ring; clock: Clock },
  { keyPrefix }: { keyPrefix: string },
): KeyAdministration {
  const names = ringKeys(keyPrefix)
  const time = () => new Date(clock.wallNow()).toISOString()
  const view = (record: KeyRecord): KeyView => viewOf(record, clock.wallNow())

  return {
    create: async (by, wanted) => {
      const made = await add(by, wanted, false)
      if (made === null) throw new Error('an id of 96 random bits was taken')
      return made
    },
    bootstrap: async (wanted) => await add('bootstrap', wanted, true),
    async list(tenant) {
      await fresh()
      const all = [...ring.mirror().records.values()].filter((record) => tenant === null || record.tenant === tenant)
      return all.sort((a, b) => a.createdAt.localeCompare(b.createdAt)).map(view)
    },
    async get(id) {
      await fresh()
      const record = ring.mirror().records.get(id)
      if (record === undefined) throw unknownKey()
      return view(record)
    },
    change: async (by, id, change) =>
      view(
        await alter(by, 'key.changed', id, { ...change }, (record) => keyRecordSchema.parse(merged(record, change))),
      ),
    async rotate(by, id, overlapSeconds) {
      const secret = newSecret()
      const record = await alter(by, 'key.rotated', id, { overlapSeconds }, (before) => {
        const rest = without(before, 'old')
        if (rest.revokedAt !== undefined) throw fault('LG_CONFLICT', { message: `The key ${id} is revoked` })
        const until = new Date(clock.wallNow() + overlapSeconds * 1000).toISOString()
        return {
          ...rest,
          sha256: sha256(secret),
          rotatedAt: time(),
          ...(overlapSeconds > 0 && { old: { sha256: rest.sha256, until } }),
        }
      })
      return { ...view(record), secret }
    },
    revoke: async (by, id) =>
      view(
        await alter(by, 'key.revoked', id, {}, (before) => ({
          ...without(before, 'old'),
          revokedAt: before.revokedAt ?? time(),
        })),
      ),
    async tenants() {
      await fresh()
      return [...ring.mirror().tenants]
        .map(([tenant, limits]) => ({ tenant, limits }))
        .sort((a, b) => a.tenant.localeCompare(b.tenant))
    },
    async tenant(tenant) {
      await fresh()
      const limits = ring.mirror().tenants.get(tenant)
      if (limits === undefined) throw fault('LG_NOT_FOUND', { message: 'There are no limits of this tenant' })
      return { tenant, limits }
    },
    async setTenant(by, tenant, limits) {
      await write(by, 'tenant.set', names.tenants, tenant, { limits }, () => JSON.stringify(limits))
      return { tenant, limits }
    },
    async removeTenant(by, tenant) {
      await write(by, 'tenant.removed', names.tenants, tenant, {}, (before) => {
        if (before === '') throw fault('LG_NOT_FOUND', { message: 'There are no limits of this tenant' })
        return ''
      })
    },
    async audit(after, count) {
      const from = after === null ? '-' : `(${after}`
      const entries = await command((redis) => redis.xrange(names.audit, from, '+', 'COUNT', count))
      return entries.map(([id, [, text = '{}']]) => ({ ...(JSON.parse(text) as Omit<AuditEntry, 'id'>), id }))
    },
  }

  async function add(by: string, wanted: NewKey, first: boolean): Promise<KeyWithSecret | null> {
    const secret = newSecret()
    const id = newId('key')
    const record: KeyRecord = { ...wanted, id, sha256: sha256(secret), createdAt: time() }
    const made = await put(
      names.keys,
      id,
      '',
      JSON.stringify(record),
      entry(by, 'key.created', id, { ...wanted }),
      first,
    )
    return made ? { ...view(record), secret } : null
  }

  async function alter(
    by: string,
    action: Action,
    id: string,
    change: Record<string, unknown>,
    next: (record: KeyRecord) => KeyRecord,
  ): Promise<KeyRecord> {
    const written = await write(by, action, names.keys, id, change, (before) => {
      if (before === '') throw unknownKey()
      return JSON.stringify(next(keyRecordSchema.parse(JSON.parse(before))))
    })
    return keyRecordSchema.parse(JSON.parse(written))
  }

  /** Reads a record, makes the next one of it and writes that if nobody was quicker; else once more. */
  async function write(
    by: string,
    action: Action,
    hash: string,
    field: string,
    change: Record<string, unknown>,
    next: (before: string) => string,
  ): Promise<string> {
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      const before = (await command((redis) => redis.hget(hash, field).then((text) => [text])))[0] ?? ''
      const after = next(before)
      if (await put(hash, field, before, after, entry(by, action, field, change), false)) return after
    }
    throw fault('LG_CONFLICT', { message: `${field} is being changed by others; try again` })
  }

  async function put(
    hash: string,
    field: string,
    before: string,
    after: string,
    said: string,
    first: boolean,
  ): Promise<boolean> {
    const run = (redis: Redis) =>
      scripted(redis).lgChangeRing(hash, names.version, names.audit, field, before, after, said, first ? 'first' : '')
    const done = (await command(run)) === 1
    await ring.refresh()
    return done
  }

  function entry(by: string, action: Action, subject: string, change: Record<string, unknown>): string {
    return JSON.stringify({ at: time(), by, action, subject, change } satisfies Omit<AuditEntry, 'id'>)
  }

  async function fresh(): Promise<void> {
    if (!(await ring.refresh())) throw noStore()
  }

  async function command<T>(run: (redis: Redis) => Promise<T>): Promise<T> {
    // A change that was made and not told would leave a secret that nobody knows.
    const reply = await link?.attempt(run, { patient: true })
    if (reply === null || reply === undefined) throw noStore()
    return reply
  }
}

const noStore = (): Error => fault('LG_STORE_UNAVAILABLE', { message: 'Redis is not reachable; keys are kept there' })

/** Not with what the caller named: it may be a secret in the wrong place, and messages are logged. */
const unknownKey = (): Error => fault('LG_NOT_FOUND', { message: 'There is no such key' })

/** What is null goes, what is absent stays. */
function merged(record: KeyRecord, change: KeyChange): Record<string, unknown> {
  const given = Object.entries(change).filter(([, value]) => value !== undefined)
  return Object.fromEntries(
    Object.entries({ ...record, ...Object.fromEntries(given) }).filter(([, value]) => value !== null),
  )
}
