import type { Clock } from '@loopgate/service-kit'

/** Soon enough for a fork that waits, and seldom needed: one in some thousands under load. */
const AGAIN_MS = 1

/**
 * Looks for a pid until it is found or not wanted any more. One look may miss a child that is there: proc(5) says
 * of `children` that it leaves some out when others end meanwhile.
 */
export function lookForPid(
  clock: Clock,
  find: () => number | null,
  { isWanted, found }: { isWanted: () => boolean; found: (pid: number) => void },
): void {
  if (!isWanted()) return
  const pid = find()
  if (pid === null) clock.after(AGAIN_MS, () => lookForPid(clock, find, { isWanted, found }))
  else found(pid)
}
