import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'
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

type Script = { readonly text: string; readonly sha: string }

const load = (name: ScriptName): Script => {
  const text = shared + readFileSync(new URL(`${name}-5.lua`, folder), 'utf8')
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

const scripts: Readonly<Record<ScriptName, Script>> = {
  create: load('create'),
  acquire: load('acquire'),
  commit: load('commit'),
  cancel: load('cancel'),
  resume: load('resume'),
}

/** Binds the scripts to a connection. */
export function createScripts(redis: Redis): RunScript {
  return async (name, keys, args) => {
    const { text, sha } = scripts[name]
    try {
      return await redis.evalsha(sha, keys.length, ...keys, ...args)
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
      return await redis.eval(text, keys.length, ...keys, ...args)
    }
  }
}
