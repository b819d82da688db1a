/**
 * tap adds variables of its own to the environment of every child process, by a hook of the package
 * process-on-spawn. A sandbox is started with no environment at all, which its self-test insists on:
 * so the hook must not reach a process that starts sandboxes. Nothing is lost, since coverage of child
 * processes is not collected.
 */
const hook = Symbol.for('process-on-spawn@*:singletonId')

function listeners(): unknown[] {
  return (globalThis as unknown as Record<symbol, { listeners: unknown[] } | undefined>)[hook]?.listeners ?? []
}

/** Starts a process with the environment that it is given and no more; its own children are untouched too. */
export function untouched<T>(start: () => T): T {
  const set = listeners().splice(0)
  try {
    return start()
  } finally {
    listeners().push(...set)
  }
}

/** Takes the hook out of this process for good. */
export function removeSpawnHook(): void {
  listeners().splice(0)
}
