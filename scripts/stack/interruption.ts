/** Resolves with the first signal that asks this process to end. It then ends in its own order: later ones change nothing. */
export function interruption(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, resolve)
  })
}
