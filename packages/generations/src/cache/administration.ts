import { canonicalForm, fieldDigests, isKey, sampleOf } from '@loopgate/cache-key'
import type { CacheCounters, CacheEntryView, Explanation, VerdictRecord, VerdictRequest } from '@loopgate/contracts'
import { fault } from '@loopgate/service-kit'
import type { Coalescer } from '../flight/coalescer.ts'
import { type Identify, type Place, SHARED_SCOPE } from '../pipeline/identify.ts'
import { plan } from '../pipeline/plan.ts'
import type { GenerationCall } from '../types.ts'
import type { Entry } from './entry.ts'
import type { Families } from './families.ts'
import type { Memory } from './memory.ts'
import type { Namespaces } from './namespaces.ts'
import type { Statistics } from './statistics.ts'
import type { Store } from './store.ts'

/** Who asks: a tenant sees and clears its own; an administrator also what all tenants share. */
type Asker = { readonly tenant: string; readonly admin: boolean }

export type Administration = {
  /** @throws LoopgateError LG_STORE_UNAVAILABLE */
  readonly statistics: (tenant: string) => Promise<Array<CacheCounters & { model: string }>>
  /**
   * Voids everything that is stored for a tenant (`*`: of what all share), in constant time.
   * @throws LoopgateError LG_STORE_UNAVAILABLE
   */
  readonly purge: (tenant: string) => Promise<number>
  /** @throws LoopgateError LG_NOT_FOUND, for what belongs to others too */
  readonly entry: (asker: Asker, key: string) => Promise<CacheEntryView>
  /** @throws LoopgateError LG_NOT_FOUND or LG_STORE_UNAVAILABLE */
  readonly remove: (asker: Asker, key: string) => Promise<void>
  /** @throws LoopgateError LG_NOT_FOUND */
  readonly judge: (asker: Asker, key: string, verdict: VerdictRequest) => Promise<VerdictRecord>
  /**
   * What a call would meet, and why; nothing is given out, bound or called.
   * @throws LoopgateError LG_NOT_FOUND for `compareWith`, LG_BAD_REQUEST for a body without a canonical form
   */
  readonly explain: (call: GenerationCall, asker: Asker, compareWith: string | null) => Promise<Explained>
}

type Explained = Omit<Explanation, 'normalised'>

export type AdministrationDeps = {
  readonly memory: Memory
  readonly store: Store | null
  readonly families: Families
  readonly namespaces: Namespaces
  readonly statistics: Statistics
  readonly coalescer: Coalescer
  readonly identify: Promise<Identify>
  readonly wallNow: () => number
}

export function createAdministration(deps: AdministrationDeps): Administration {
  const { memory, store, families, namespaces, statistics, coalescer, wallNow } = deps

  return {
    async statistics(tenant) {
      return (await statistics.read(tenant)) ?? unavailable()
    },
    async purge(tenant) {
      const namespace = (await namespaces.purge(tenant)) ?? unavailable()
      await statistics.clear(tenant)
      return namespace
    },
    entry: async (asker, key) => view(key, await own(asker, key)),
    async remove(asker, key) {
      const { facts } = await own(asker, key)
      if ((await families.forget(key)) === null) unavailable()
      if (!(await namespaces.drop(facts.scope, key))) unavailable()
    },
    async judge(asker, key, verdict) {
      await own(asker, key)
      const record = { ...verdict, judgedAt: new Date(wallNow()).toISOString() }
      if (!(await families.judge(key, record))) throw noSuchEntry()
      return record
    },
    async explain(call, asker, compareWith) {
      const planned = plan(call)
      if (!planned.shared) return { ...NOTHING, shareable: false, why: planned.why, outcome: 'bypass' }
      const place = await (await deps.identify).foresee(call, planned)
      const other = compareWith === null ? null : await own(asker, compareWith)
      const differs = other === null ? null : difference(place, other, compareWith ?? '')
      if (!('key' in place)) {
        const { input } = place
        return {
          ...NOTHING,
          shareable: true,
          why: planned.why,
          outcome: 'miss',
          canonical: canonicalForm(input),
          differs,
        }
      }
      const { key, sampleIndex, input } = place
      const found = await peek(key)
      const oldest = planned.maxAgeSeconds === null ? Number.POSITIVE_INFINITY : planned.maxAgeSeconds * 1000
      const entry = found !== null && planned.reuse && wallNow() - found.createdAtMs <= oldest ? found : null
      const joins = planned.reuse && coalescer.find(key) !== undefined
      return {
        shareable: true,
        why: planned.why,
        outcome: entry !== null ? 'hit' : joins ? 'coalesced' : 'miss',
        key,
        sampleIndex,
        canonical: canonicalForm(input, sampleIndex),
        entry: entry === null ? null : await view(key, entry),
        differs,
      }
    },
  }

  /** The entry of a key, if it may be seen by whoever asks and has not been purged. */
  async function own({ tenant, admin }: Asker, key: string): Promise<Entry> {
    const entry = isKey(key) ? await peek(key) : null
    if (entry === null) throw noSuchEntry()
    const { scope, namespace } = entry.facts
    const mine = scope === tenant || (admin && scope === SHARED_SCOPE)
    if (!mine || (await namespaces.version(scope)) !== namespace) throw noSuchEntry()
    return entry
  }

  async function peek(key: string): Promise<Entry | null> {
    return (store === null ? memory.get(key) : ((await store.get(key)) ?? memory.get(key))) ?? null
  }

  async function view(key: string, { recording, facts, createdAtMs }: Entry): Promise<CacheEntryView> {
    return {
      key,
      scope: facts.scope === SHARED_SCOPE ? 'shared' : 'tenant',
      surface: facts.surface,
      model: facts.model,
      sampleIndex: sampleOf(key),
      storedAt: new Date(createdAtMs).toISOString(),
      ageSeconds: Math.max(0, Math.floor((wallNow() - createdAtMs) / 1000)),
      finishReasons: [...facts.finishReasons],
      usage: recording.usage,
      recordedAs: recording.kind,
      bytes: recording.bytes.length,
      verdict: await families.verdict(key),
    }
  }
}

const NOTHING = { key: null, sampleIndex: null, canonical: null, entry: null, differs: null } as const

/** The first field, in the order of names, in which a call differs from a stored one; the sample comes last. */
function difference(
  place: Place | Pick<Place, 'input'>,
  { facts }: Entry,
  otherKey: string,
): { field: string; here: string; there: string } | null {
  const here = fieldDigests(place.input)
  const there = facts.fields
  const names = [...new Set([...Object.keys(here), ...Object.keys(there)])].sort()
  const field = names.find((name) => here[name] !== there[name])
  const said = (digest: string | undefined): string => (digest === undefined ? 'absent' : `sha256:${digest}`)
  if (field !== undefined) return { field, here: said(here[field]), there: said(there[field]) }
  const sample = 'key' in place ? String(place.sampleIndex) : 'new'
  const other = String(sampleOf(otherKey))
  return sample === other ? null : { field: '(sample)', here: sample, there: other }
}

const noSuchEntry = () => fault('LG_NOT_FOUND', { message: 'There is no such stored answer' })

function unavailable(): never {
  throw fault('LG_STORE_UNAVAILABLE', {
    message: 'Redis is not reachable; the cache of all replicas cannot be changed',
  })
}
