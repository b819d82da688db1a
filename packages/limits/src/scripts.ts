import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'

type Run<Reply> = (...args: readonly (string | number)[]) => Promise<Reply>

/** The scripts of this package as commands: KEYS and then ARGV as the head of each file lists them. */
export type Scripted = {
  readonly lgReserve: Run<readonly (string | number)[]>
  readonly lgSettle: Run<number>
  readonly lgRenewLeases: Run<number>
  readonly lgUsage: Run<readonly string[]>
  readonly lgChangeRing: Run<number>
}

const folder = new URL('scripts/', import.meta.url)
const read = (file: string): string => readFileSync(new URL(file, folder), 'utf8')

/** Command, file and number of keys; the file's name ends with the number. */
const SCRIPTS = [
  ['lgReserve', 'reserve', 4],
  ['lgSettle', 'settle', 4],
  ['lgRenewLeases', 'renew', 1],
  ['lgUsage', 'usage', 2],
  ['lgChangeRing', 'change', 3],
] as const

const texts = SCRIPTS.map(([command, file, numberOfKeys]) => ({
  command,
  numberOfKeys,
  lua: `${read('book.lua')}\n${read(`${file}-${numberOfKeys}.lua`)}`,
}))

/** Makes the scripts commands of a connection; to be called before its first command. */
export function defineScripts(redis: Redis): void {
  for (const { command, numberOfKeys, lua } of texts) redis.defineCommand(command, { numberOfKeys, lua })
}

/** A connection that `defineScripts` has prepared, seen as its scripts. */
export const scripted = (redis: Redis): Scripted => redis as unknown as Scripted
