import { hash, timingSafeEqual } from 'node:crypto'
import type { Principal, Scope } from '@loopgate/contracts'
import type { Ring } from '@loopgate/limits'
import type { Secret } from '@loopgate/service-kit'

export type Authenticator = {
  /**
   * Who presents this key, or null. Keys are looked up by their SHA-256: what the time of a look-up
   * tells is about digests, which nobody can steer towards a key of 256 random bits.
   */
  readonly authenticate: (presented: string) => Principal | null
  /** Grows whenever what is known of keys has changed; what was found before may no longer hold. */
  readonly version: () => number
}

/** Makes the authenticator of the key ring; the runner token is one more key, of scope `runner` alone. */
export function createAuthenticator(ring: Pick<Ring, 'find' | 'version'>, runnerToken?: Secret): Authenticator {
  const token = runnerToken === undefined ? null : hash('sha256', runnerToken.reveal(), 'buffer')

  return {
    version: ring.version,
    authenticate(presented) {
      const sha256 = hash('sha256', presented)
      const found = ring.find(sha256)
      if (found !== null || token === null) return found
      // The operator chose the token, and may have chosen a guessable one.
      return timingSafeEqual(token, Buffer.from(sha256, 'hex')) ? RUNNER : null
    },
  }
}

const RUNNER: Principal = Object.freeze({
  tenant: 'runners',
  name: 'runner token',
  keyId: 'runner-token',
  scopes: new Set<Scope>(['runner']),
  limits: { key: {}, tenant: {} },
})

/** Whether a principal may do what needs this scope; `admin` may do everything. */
export function allows(principal: Principal, scope: Scope): boolean {
  return principal.scopes.has(scope) || principal.scopes.has('admin')
}
