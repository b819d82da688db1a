import type { Clock } from '@loopgate/service-kit'

/** Whether the promise settled within `ms`. A rejection counts as settled. */
export async function withDeadline(clock: Clock, promise: Promise<unknown>, ms: number): Promise<boolean> {
  let cancel = (): void => {}
  const late = new Promise<false>((resolve) => {
    cancel = clock.after(ms, () => resolve(false))
  })
  const settled = promise.then(
    () => true as const,
    () => true as const,
  )
  try {
    return await Promise.race([settled, late])
  } finally {
    cancel()
  }
}
