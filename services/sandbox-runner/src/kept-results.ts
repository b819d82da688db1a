import type { ExecutionResult } from '@loopgate/contracts'
import { type Clock, PassingMap } from '@loopgate/service-kit'

export type KeptResults = {
  /** Keeps a result for its gateway until it is acknowledged or its lease has lapsed. */
  readonly keep: (gatewayId: string, leaseId: string, result: ExecutionResult, untilMs: number) => void
  readonly acknowledge: (gatewayId: string, leaseId: string) => void
  /** What a gateway has not acknowledged yet, oldest first. */
  readonly of: (gatewayId: string) => ReadonlyArray<{ readonly leaseId: string; readonly result: ExecutionResult }>
  readonly size: () => number
}

type Kept = {
  readonly gatewayId: string
  readonly leaseId: string
  readonly result: ExecutionResult
  readonly untilMs: number
  readonly bytes: number
}

/** Results that wait for an acknowledgement may take this much; beyond it the oldest goes, and its execution is run again elsewhere. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024

export function createKeptResults(clock: Clock): KeptResults {
  const kept = new PassingMap<string, Kept>()
  let bytes = 0
  const keyOf = (gatewayId: string, leaseId: string) => `${gatewayId} ${leaseId}`
  const drop = (key: string) => {
    bytes -= kept.get(key)?.bytes ?? 0
    kept.delete(key)
  }
  const dropLapsed = () => {
    for (const { gatewayId, leaseId, untilMs } of kept.values()) {
      if (untilMs <= clock.now()) drop(keyOf(gatewayId, leaseId))
    }
  }
  return {
    keep: (gatewayId, leaseId, result, untilMs) => {
      dropLapsed()
      const key = keyOf(gatewayId, leaseId)
      drop(key)
      // Two bytes a character is what a string takes at most in memory.
      const size = 2 * charactersOf(result) + 1024
      kept.set(key, { gatewayId, leaseId, result, untilMs, bytes: size })
      bytes += size
      for (const oldest of kept.values()) {
        if (bytes <= KEPT_BYTES_MAX || kept.size === 1) break
        drop(keyOf(oldest.gatewayId, oldest.leaseId))
      }
    },
    acknowledge: (gatewayId, leaseId) => drop(keyOf(gatewayId, leaseId)),
    of: (gatewayId) => {
      dropLapsed()
      return [...kept.values()].filter((each) => each.gatewayId === gatewayId)
    },
    size: () => {
      dropLapsed()
      return kept.size
    },
  }
}

function charactersOf({ stdout, stderr, streams, compile, checks, artifacts }: ExecutionResult): number {
  const { length } = JSON.stringify([streams, compile, checks, artifacts])
  return stdout.length + stderr.length + length
}
