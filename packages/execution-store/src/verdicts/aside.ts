import type { Clock } from '@loopgate/service-kit'

/** Does what is a convenience and must cost nothing when it cannot be had. */
export type Aside = {
  /** Null if it failed, took too long, or has failed lately and is not tried now. Never throws. */
  readonly attempt: <T>(action: () => Promise<T>) => Promise<T | null>
}

/** After a failure nothing is tried for `restMs`, so that a slow Redis delays one caller and not all. */
export function createAside(clock: Clock, { timeoutMs, restMs }: { timeoutMs: number; restMs: number }): Aside {
  let restsUntil = -Infinity
  return {
    async attempt<T>(action: () => Promise<T>): Promise<T | null> {
      if (clock.now() < restsUntil) return null
      const { promise, resolve } = Promise.withResolvers<T | null>()
      const fail = (): void => {
        restsUntil = clock.now() + restMs
        resolve(null)
      }
      const cancel = clock.after(timeoutMs, fail)
      action().then(resolve, fail)
      try {
        return await promise
      } finally {
        cancel()
      }
    },
  }
}
