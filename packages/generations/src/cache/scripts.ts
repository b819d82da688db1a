import { readFileSync } from 'node:fs'
import type { Cluster, Redis } from 'ioredis'

type Run<Reply> = (...args: (string | number)[]) => Promise<Reply>

/** The scripts of the cache as commands: KEYS and then ARGV as the head of each file lists them. */
type CacheScripts = {
  readonly lgStored: Run<number>
  readonly lgJudge: Run<number>
  readonly lgChoose: Run<string | null>
  readonly lgUnused: Run<number>
  readonly lgFresh: Run<number>
  readonly lgForget: Run<number>
  readonly lgDrop: Run<number>
}

const folder = new URL('../scripts/', import.meta.url)

/** Command, file and number of keys; the file's name ends with the number. */
const SCRIPTS = (
  [
    ['lgStored', 'stored', 3],
    ['lgJudge', 'judge', 3],
    ['lgChoose', 'choose', 1],
    ['lgUnused', 'unused', 1],
    ['lgFresh', 'fresh', 2],
    ['lgForget', 'forget', 4],
    ['lgDrop', 'drop', 2],
  ] as const
).map(([command, file, numberOfKeys]) => ({
  command,
  numberOfKeys,
  lua: readFileSync(new URL(`${file}-${numberOfKeys}.lua`, folder), 'utf8'),
}))

const prepared = new WeakSet<object>()

/** A connection with the scripts as commands: sent by hash, and by text where Redis does not know them. */
export function cacheScripts(redis: Redis | Cluster): CacheScripts {
  if (!prepared.has(redis)) {
    for (const { command, numberOfKeys, lua } of SCRIPTS) redis.defineCommand(command, { numberOfKeys, lua })
    prepared.add(redis)
  }
  return redis as unknown as CacheScripts
}
