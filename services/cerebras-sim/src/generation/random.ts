import { hash } from 'node:crypto'

/** Whole numbers from 0 up to `bound`, the same sequence for the same start. */
export type Random = (bound: number) => number

/** A small generator (mulberry32) started from the first 32 bits of a hex digest. */
export function randomFromDigest(hex: string): Random {
  let state = Number.parseInt(hex.slice(0, 8), 16)
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
}

export const digestOf = (text: string): string => hash('sha1', text)
