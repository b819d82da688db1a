import { createHash } from 'node:crypto'
import type { Redis } from 'ioredis'

/** A Lua script with the hash by which Redis knows it. */
export type Script = { readonly text: string; readonly sha: string }

export const scriptOf = (text: string): Script => ({ text, sha: createHash('sha1').update(text).digest('hex') })

/** Runs a script by its hash; sends its text where Redis does not know it yet. Keys come first. */
export async function runByHash(
  redis: Redis,
  { text, sha }: Script,
  numberOfKeys: number,
  args: ReadonlyArray<string | number>,
): Promise<unknown> {
  try {
    return await redis.evalsha(sha, numberOfKeys, ...args)
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
    return await redis.eval(text, numberOfKeys, ...args)
  }
}
