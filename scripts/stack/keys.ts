import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ConfiguredKey, Scope } from '@loopgate/contracts'

/** Secrets of the local installation. Kept, so that a second start finds its cache again. */
export type LocalKeys = {
  readonly apiKey: string
  readonly adminKey: string
  readonly serviceKey: string
  readonly runnerToken: string
  readonly cacheSecret: string
  readonly simulatorKey: string
}

/** Reads `.loopgate/keys.json`, or makes it, readable by its owner alone. */
export function localKeys(stateFolder: string): LocalKeys {
  const file = join(stateFolder, 'keys.json')
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as LocalKeys
  const random = (prefix: string) => `${prefix}${randomBytes(24).toString('hex')}`
  const keys: LocalKeys = {
    apiKey: random('lgk-'),
    adminKey: random('lgk-admin-'),
    serviceKey: random('lgk-service-'),
    runnerToken: random('lgr-'),
    cacheSecret: random(''),
    simulatorKey: random('csk-'),
  }
  writeFileSync(file, JSON.stringify(keys, null, 2), { mode: 0o600 })
  return keys
}

/** The gateway's list of keys: digests only. */
export function configuredKeys(keys: LocalKeys): ConfiguredKey[] {
  const key = (name: string, secret: string, scopes: Scope[]): ConfiguredKey => ({
    tenant: 'local',
    name,
    sha256: createHash('sha256').update(secret).digest('hex'),
    scopes,
  })
  return [
    key('local', keys.apiKey, ['complete', 'execute', 'loops']),
    key('admin', keys.adminKey, ['admin']),
    key('loop-worker', keys.serviceKey, ['worker']),
  ]
}
