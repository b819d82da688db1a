import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'

const ANYWHERE = new Set(['0.0.0.0', '::'])

/**
 * Where other replicas reach a process that is bound to this address: the address itself, or, if
 * it listens everywhere, the first one of this machine that is not loopback.
 */
export function addressOf({ address, port, family }: AddressInfo): string {
  const host = ANYWHERE.has(address) ? outside() : address
  return `http://${family === 'IPv6' && host.includes(':') ? `[${host}]` : host}:${port}`
}

function outside(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return all.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '127.0.0.1'
}
