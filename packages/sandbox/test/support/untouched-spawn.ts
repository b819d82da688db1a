/**
 * tap adds its own variables to the environment of every child process, by a hook of the package
 * process-on-spawn. A sandbox is started with none at all, which its self-test insists on, so the
 * hook is emptied in processes that start sandboxes. Coverage of child processes is not collected anyway.
 */
const hook = Symbol.for('process-on-spawn@*:singletonId')
const state = (globalThis as unknown as Record<symbol, { listeners: unknown[] } | undefined>)[hook]
state?.listeners.splice(0)
