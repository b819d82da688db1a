import { setTimeout as delay } from 'node:timers/promises'
import type { Stack } from '../stack/stack.ts'

/** What may die. Redis is left alone: losing it within the last second before an fsync may lose that second. */
const VICTIMS = ['sandbox-runner', 'loop-worker', 'gateway', 'cerebras-sim'] as const

/** Time between two kills: enough for the stack's restarts to be seen, too short for it to get calm. */
const LEAST_MS = 500
const SPREAD_MS = 1500

/** A small generator of repeatable numbers in [0, 1): mulberry32. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Kills one process of the stack after another with SIGKILL, until it has killed enough or is stopped. */
export async function killAtRandom(
  stack: Stack,
  { kills, seed }: { kills: number; seed: number },
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<string[]> {
  const next = random(seed)
  const killed: string[] = []
  while (killed.length < kills && !signal.aborted) {
    await delay(LEAST_MS + next() * SPREAD_MS, undefined, { signal }).catch(() => {})
    const victim = VICTIMS[Math.floor(next() * VICTIMS.length)] ?? VICTIMS[0]
    const pid = stack.dev().pids[victim]
    if (signal.aborted || pid === undefined) continue
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      continue // it is just being started again
    }
    killed.push(victim)
    say(`killed ${victim} (pid ${pid}), ${killed.length} of ${kills}`)
  }
  return killed
}
