import type { Fallback } from '@loopgate/cerebras'
import { CanonicalError, type FamilyInput, keyOf, sampleOf } from '@loopgate/cache-key'
import { fault } from '@loopgate/service-kit'
import type { Families } from '../cache/families.ts'
import type { Idempotency } from '../cache/idempotency.ts'
import type { Namespaces } from '../cache/namespaces.ts'
import type { GenerationCall } from '../types.ts'
import { createLookAside } from './look-aside.ts'
import { NO_WISHES, type SharedPlan } from './plan.ts'

export type MakeFamily = (input: FamilyInput) => string

/** Where a generation belongs. */
export type Place = {
  readonly key: string
  readonly sampleIndex: number
  /** What the key was made of. */
  readonly input: FamilyInput
}

export type IdentifyDeps = {
  readonly namespaces: Namespaces
  readonly families: Families
  readonly idempotency: Idempotency
}

export type Identify = {
  /**
   * Stage 2: the key of a call that may be shared; at once if nothing has to be looked up for it.
   * @throws LoopgateError LG_BAD_REQUEST for a body that has no canonical form
   * Rejects with LG_CONFLICT for an idempotency key that was used for another request.
   */
  readonly identify: (call: GenerationCall, planned: SharedPlan) => Place | Promise<Place>
  /** Where the answer of a fallback to the same call belongs: never where the upstream's own would. */
  readonly standIn: (place: Place, fallback: Fallback) => Place
  /** The same without giving anything out or binding anything; null where a sample would be given out. */
  readonly foresee: (call: GenerationCall, planned: SharedPlan) => Promise<Place | { input: FamilyInput }>
}

/** Scope of what all tenants share; no tenant can be named so. */
export const SHARED_SCOPE = '*'

export function createIdentify(
  { namespaces, families, idempotency }: IdentifyDeps,
  make: MakeFamily,
  { allowShared }: { allowShared: boolean },
): Identify {
  const familyFor = createLookAside(make)

  return {
    standIn,
    identify(call, planned) {
      const scope = scopeOf(call, planned)
      const namespace = namespaces.version(scope)
      return typeof namespace === 'number'
        ? found(call, planned, scope, namespace)
        : namespace.then((version) => found(call, planned, scope, version))
    },
    async foresee(call, planned) {
      const scope = scopeOf(call, planned)
      const input = inputOf(call, planned, scope, await namespaces.version(scope))
      const family = refusing(() => make(input))
      if (planned.sample === 'new') return { input }
      return placeOf(input, family, await sampleOfFamily(family, planned.sample))
    },
  }

  function standIn({ input, sampleIndex }: Place, { name, model }: Fallback): Place {
    const own = { ...input, request: { ...input.request, model: `${name}/${model}` } }
    return placeOf(own, make(own), sampleIndex)
  }

  /** An idempotency key is its tenant's own, whatever else is shared. */
  function scopeOf({ tenant, sharing = NO_WISHES }: GenerationCall, { alone }: SharedPlan): string {
    return sharing.scope === 'shared' && allowShared && !alone ? SHARED_SCOPE : tenant
  }

  function found(call: GenerationCall, planned: SharedPlan, scope: string, namespace: number): Place | Promise<Place> {
    const input = inputOf(call, planned, scope, namespace)
    const family = refusing(() => familyFor(input, call.original?.digest ?? null))
    const name = call.sharing?.idempotencyKey ?? null
    if (typeof planned.sample === 'number' && name === null) return placeOf(input, family, planned.sample)
    return lookedUp(call, planned, input, family, name)
  }

  async function lookedUp(
    { tenant }: GenerationCall,
    { sample }: SharedPlan,
    input: FamilyInput,
    family: string,
    name: string | null,
  ): Promise<Place> {
    const sampleIndex = sample === 'new' ? await families.fresh(family) : await sampleOfFamily(family, sample)
    if (name === null) return placeOf(input, family, sampleIndex)
    // What was asked, whatever has been purged since.
    const request = make({ ...input, namespace: 0 })
    const bound = await idempotency.bind(tenant, name, request, keyOf(family, sampleIndex))
    return placeOf(input, family, sampleOf(bound))
  }

  async function sampleOfFamily(family: string, sample: number | 'any' | 'best' | 'new'): Promise<number> {
    if (typeof sample === 'number') return sample
    const stored = sample === 'new' ? null : await families.choose(family, sample)
    return stored ?? (await families.unused(family))
  }
}

function inputOf(call: GenerationCall, { alone }: SharedPlan, scope: string, namespace: number): FamilyInput {
  const { surface, body, sharing = NO_WISHES } = call
  return { scope, namespace, surface, idempotencyKey: alone ? sharing.idempotencyKey : null, request: body }
}

const placeOf = (input: FamilyInput, family: string, sampleIndex: number): Place => ({
  key: keyOf(family, sampleIndex),
  sampleIndex,
  input,
})

/** A body without a canonical form is the caller's fault, and the field is named. */
function refusing<T>(make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof CanonicalError)) throw error
    throw fault('LG_BAD_REQUEST', { message: error.message, param: error.path, cause: error })
  }
}
