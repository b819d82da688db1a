import type { Explanation, Principal, Surface } from '@loopgate/contracts'
import type { Administration } from '@loopgate/generations'
import { allows } from '../auth/authenticator.ts'
import { callOf } from '../completions/complete.ts'
import { normalise } from '../completions/normalise/normalise.ts'
import { readWishes } from '../completions/request-headers.ts'

export type Explained = {
  readonly surface: Surface
  /** Is normalised in place, as that of a completion. */
  readonly body: Record<string, unknown>
  readonly headers: Readonly<Record<string, string>>
  readonly compareWith: string | null
}

/** Takes a request the way that a completion would go, up to where something would happen. */
export async function explain(
  cache: Administration,
  principal: Principal,
  { surface, body, headers, compareWith }: Explained,
): Promise<Explanation> {
  const { tenant } = principal
  const lowered = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  const wishes = readWishes(lowered, principal.cache)
  const normalised = normalise(surface, body, wishes.strict)
  const call = callOf(surface, principal, body, null, wishes)
  const explained = await cache.explain(call, { tenant, admin: allows(principal, 'admin') }, compareWith)
  return { ...explained, normalised: [...normalised] }
}
