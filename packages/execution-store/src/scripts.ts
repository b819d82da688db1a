import { readFileSync } from 'node:fs'
import { runByHash, scriptOf } from '@loopgate/loop-store'
import type { Redis } from 'ioredis'

/** A script of the folder; its file's name ends with the number of keys. */
function load(name: string, numberOfKeys: number) {
  const text = readFileSync(new URL(`scripts/${name}-${numberOfKeys}.lua`, import.meta.url), 'utf8')
  return { script: scriptOf(text), numberOfKeys }
}

const SCRIPTS = {
  create: load('create', 1),
  begin: load('begin', 1),
  start: load('start', 1),
  end: load('end', 1),
  cancel: load('cancel', 1),
  remember: load('remember', 3),
}

/** Runs a script of the folder. Keys come first. */
export function runScript(
  redis: Redis,
  name: keyof typeof SCRIPTS,
  ...args: ReadonlyArray<string | number>
): Promise<unknown> {
  const { script, numberOfKeys } = SCRIPTS[name]
  return runByHash(redis, script, numberOfKeys, args)
}
