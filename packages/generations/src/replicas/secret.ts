import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'

/** Signs and checks requests between replicas; nobody else has the secret. */
export type PeerSecret = {
  /** Proof that whoever asks for a flight belongs to the installation; good for this flight alone. */
  readonly sign: (key: string, token: string) => string
  readonly verify: (key: string, token: string, proof: string) => boolean
}

/** The secret between replicas, derived from the installation's: nothing new has to be configured or kept. */
export function createPeerSecret(installation: string): PeerSecret {
  const secret = Buffer.from(hkdfSync('sha256', installation, '', 'loopgate flights between replicas v1', 32))
  const mac = (key: string, token: string): Buffer => createHmac('sha256', secret).update(`${key}\n${token}`).digest()
  return {
    sign: (key, token) => mac(key, token).toString('hex'),
    verify(key, token, proof) {
      const given = Buffer.from(proof, 'hex')
      const expected = mac(key, token)
      return given.length === expected.length && timingSafeEqual(given, expected)
    },
  }
}
