import { hash, timingSafeEqual } from 'node:crypto'
import type { CacheDefaults, ConfiguredKey, Principal, Scope } from '@loopgate/contracts'
import type { Secret } from '@loopgate/service-kit'

export type Authenticator = {
  /**
   * Who presents this key, or null. Takes the same time for every key of one length, whether it
   * is known or not and wherever it stands in the list.
   */
  readonly authenticate: (presented: string) => Principal | null
}

type Known = { readonly digest: Buffer; readonly principal: Principal }

const sha256 = (text: string): Buffer => hash('sha256', text, 'buffer')

/** Makes the authenticator of the configured keys; the runner token is one more key, of scope `runner` alone. */
export function createAuthenticator(keys: readonly ConfiguredKey[], runnerToken?: Secret): Authenticator {
  const known: Known[] = keys.map((key) => ({
    digest: Buffer.from(key.sha256, 'hex'),
    principal: principal(key.tenant, key.name, key.scopes, key.cache),
  }))
  if (runnerToken !== undefined) {
    known.push({ digest: sha256(runnerToken.reveal()), principal: principal('runners', 'runner token', ['runner']) })
  }

  return {
    authenticate(presented) {
      const digest = sha256(presented)
      let found: Principal | null = null
      // Every key is compared, without an early way out: time tells nothing about the list.
      for (const entry of known) if (timingSafeEqual(entry.digest, digest)) found = entry.principal
      return found
    },
  }
}

function principal(tenant: string, name: string, scopes: readonly Scope[], cache?: CacheDefaults): Principal {
  return Object.freeze({ tenant, name, scopes: new Set(scopes), ...(cache !== undefined && { cache }) })
}

/** Whether a principal may do what needs this scope; `admin` may do everything. */
export function allows(principal: Principal, scope: Scope): boolean {
  return principal.scopes.has(scope) || principal.scopes.has('admin')
}
