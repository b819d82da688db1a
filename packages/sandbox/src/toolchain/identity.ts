import { spawnSync } from 'node:child_process'

/** Who starts bubblewrap: `spawn` options that drop to an unprivileged user, or none of our own choosing. */
export type Identity = { readonly uid: number; readonly gid: number } | Record<string, never>

/**
 * A root launcher would leave procfs files such as sys/kernel/core_pattern writable from inside
 * (a user namespace maps to host root), so root always drops to `uid` and `gid`.
 * @throws Error when asked to stay root, or when the system refuses to change the user
 */
export function launcherIdentity(uid = 65_534, gid = uid): Identity {
  if (process.getuid?.() !== 0) return {}
  if (uid === 0 || gid === 0) throw new Error('sandboxes are never started by root: choose another user and group')
  const { error } = spawnSync('/bin/true', { uid, gid, env: {}, cwd: '/', stdio: 'ignore' })
  if (error !== undefined) {
    throw new Error(
      `programs cannot be started as user ${uid} and group ${gid} (${error.message}): in a container the user has to be mapped, or run the runner itself as a user other than root`,
    )
  }
  return { uid, gid }
}

/** Whether the launcher can read and run a path, folders above it included. */
export function canReach(path: string, identity: Identity): boolean {
  const test = 'test -r "$1" && test -x "$1"'
  const { status } = spawnSync('/bin/sh', ['-c', test, 'sh', path], { ...identity, env: {}, cwd: '/', stdio: 'ignore' })
  return status === 0
}
