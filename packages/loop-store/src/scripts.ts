import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'
import { runByHash, type Script, scriptOf } from './by-hash.ts'
import type { LoopKeys } from './keys.ts'

const folder = new URL('scripts/', import.meta.url)
const shared = readFileSync(new URL('shared.lua', folder), 'utf8')

export type ScriptName = 'create' | 'acquire' | 'commit' | 'cancel' | 'resume'

/** Runs a script of the folder on one loop, by its hash; sends its text where Redis does not know it yet. */
export type RunScript = (
  name: ScriptName,
  keys: LoopKeys['script'],
  args: ReadonlyArray<string | number>,
) => Promise<unknown>

const load = (name: ScriptName): Script => scriptOf(shared + readFileSync(new URL(`${name}-5.lua`, folder), 'utf8'))

const scripts: Readonly<Record<ScriptName, Script>> = {
  create: load('create'),
  acquire: load('acquire'),
  commit: load('commit'),
  cancel: load('cancel'),
  resume: load('resume'),
}

/** Binds the scripts to a connection. */
export function createScripts(redis: Redis): RunScript {
  return (name, keys, args) => runByHash(redis, scripts[name], keys.length, [...keys, ...args])
}
