import type { Facts } from '@loopgate/cerebras'
import type { Kind, Recording } from '../shape/recording.ts'
import type { Log } from './log.ts'

/** Everything in one piece of its own: the blocks are views of larger pieces that the socket gave. */
export function record(kind: Kind, { blocks }: Log, facts: Facts): Recording {
  let offset = 0
  let usageOnly: [number, number] | null = null
  for (const block of blocks) {
    if (block.usageOnly) usageOnly = [offset, block.bytes.length]
    offset += block.bytes.length
  }
  return { kind, bytes: Buffer.concat(blocks.map(({ bytes }) => bytes)), usageOnly, usage: facts.usage }
}
