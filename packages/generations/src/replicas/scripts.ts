import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'

/** A connection to one Redis, or to a cluster seen as one: the same commands, each for keys of one slot. */
export type Client = Redis

type Arg = string | number | Buffer
type Run<Reply> = (...args: Arg[]) => Promise<Reply>

/** The scripts of this package as commands: KEYS and then ARGV as the head of each file lists them. */
export type Scripted = {
  readonly lgClaimBuffer: Run<Buffer[]>
  readonly lgRenew: Run<number>
  readonly lgRelease: Run<number>
  readonly lgStore: Run<number>
  readonly lgBeat: Run<string[]>
  readonly lgStored: Run<number>
  readonly lgJudge: Run<number>
  readonly lgChoose: Run<string | null>
  readonly lgUnused: Run<number>
  readonly lgFresh: Run<number>
  readonly lgForget: Run<number>
  readonly lgDrop: Run<number>
  readonly lgExchange: Run<Array<string | number>>
}

const folder = new URL('../scripts/', import.meta.url)

/** Command, file and number of keys; the file's name ends with the number. */
const SCRIPTS = [
  ['lgClaim', 'claim', 2],
  ['lgRenew', 'renew', 1],
  ['lgRelease', 'release', 1],
  ['lgStore', 'store', 2],
  ['lgBeat', 'beat', 2],
  ['lgStored', 'stored', 3],
  ['lgJudge', 'judge', 3],
  ['lgChoose', 'choose', 1],
  ['lgUnused', 'unused', 1],
  ['lgFresh', 'fresh', 2],
  ['lgForget', 'forget', 4],
  ['lgDrop', 'drop', 2],
  ['lgExchange', 'exchange', 3],
] as const

const texts = SCRIPTS.map(([command, file, numberOfKeys]) => ({
  command,
  numberOfKeys,
  lua: readFileSync(new URL(`${file}-${numberOfKeys}.lua`, folder), 'utf8'),
}))

/**
 * Makes the scripts commands of a connection; they are sent by hash, and by text where Redis does not
 * know them. To be called before the first command: a batch that has begun (auto-pipelining) does not
 * know commands that are defined later, and ioredis 6.0 then throws where nobody can catch it.
 */
export function defineScripts(client: Client): void {
  for (const { command, numberOfKeys, lua } of texts) client.defineCommand(command, { numberOfKeys, lua })
}

/** A connection that `defineScripts` has prepared, seen as its scripts. */
export const scripted = (client: Client): Scripted => client as unknown as Scripted
