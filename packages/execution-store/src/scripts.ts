import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'

type Script = { readonly text: string; readonly sha: string; readonly numberOfKeys: number }

/** A script of the folder; its file's name ends with the number of keys. */
function load(name: string, numberOfKeys: number): Script {
  const text = readFileSync(new URL(`scripts/${name}-${numberOfKeys}.lua`, import.meta.url), 'utf8')
  return { text, numberOfKeys, sha: createHash('sha1').update(text).digest('hex') }
}

const SCRIPTS = {
  create: load('create', 1),
  begin: load('begin', 1),
  start: load('start', 1),
  end: load('end', 1),
  cancel: load('cancel', 1),
  remember: load('remember', 3),
}

/** Runs a script by its hash; sends its text where Redis does not know it yet. Keys come first. */
export async function runScript(
  redis: Redis,
  name: keyof typeof SCRIPTS,
  ...args: ReadonlyArray<string | number>
): Promise<unknown> {
  const { text, sha, numberOfKeys } = SCRIPTS[name]
  try {
    return await redis.evalsha(sha, numberOfKeys, ...args)
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
    return await redis.eval(text, numberOfKeys, ...args)
  }
}
