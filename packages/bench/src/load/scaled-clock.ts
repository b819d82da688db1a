import { type Clock, systemClock } from '@loopgate/service-kit'

/** A clock that runs so many times as fast: a minute of its time is over sooner, and timers with it. */
export function scaledClock(times: number): Clock {
  const startedAt = systemClock.now()
  const wallAt = systemClock.wallNow()
  const now = () => (systemClock.now() - startedAt) * times
  return {
    now,
    wallNow: () => wallAt + now(),
    after: (ms, action) => systemClock.after(ms / times, action),
  }
}
