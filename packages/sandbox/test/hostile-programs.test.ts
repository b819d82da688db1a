import t from 'tap'
import { HOSTILE_PROGRAMS, SLEEPER_SECONDS } from '@loopgate/testkit/hostile-programs'
import type { SandboxResult } from '../src/types.ts'
import { watchLeftovers } from './support/leftovers.ts'
import { processesWith } from './support/processes.ts'
import { sandboxFor, TIER, type TestSandbox } from './support/sandbox.ts'

/*
 * Programs that attack the machine rather than a limit that they name. Each has its expected outcome, a small
 * program is served all the while, and nothing of either may be left. Those that only look around are in
 * hostile.test.ts, links and pipes as artifacts in artifacts.test.ts, forged verdicts in forgeries.test.ts.
 */
const { run, sandbox } = await sandboxFor(t)
const offered = new Set((await sandbox.selfTest()).languages.map(({ language }) => language))

const FILES: Readonly<Record<string, string>> = { python: 'a.py', javascript: 'a.js', c: 'a.c' }
const counts = (await sandbox.selfTest()).enforced.some((each) => each.endsWith(':pids'))

/** Serves small programs until it is stopped. */
function canary(serve: TestSandbox['run']): () => Promise<SandboxResult[]> {
  const over = new AbortController()
  const results: SandboxResult[] = []
  const serving = (async () => {
    do results.push(await serve({ language: 'python', files: [{ path: 'c.py', content: 'print("canary")' }] }))
    while (!over.signal.aborted)
  })()
  return async () => {
    over.abort()
    await serving
    return results
  }
}

for (const { name, language, source, limits = {}, expected, counted } of HOSTILE_PROGRAMS) {
  const skip = offered.has(language) ? false : `${language} is not in the tier ${TIER} here`
  t.test(`${name}: contained, others are served, nothing is left`, { skip }, async (t) => {
    const nothingLeft = watchLeftovers()
    const stop = canary(run)
    const files = [{ path: FILES[language] ?? 'a', content: source }]
    const result = await run({ language, files, limits })
    const served = await stop()
    t.match(result, expected)
    if (counts && counted) t.match(result.counters, counted)
    t.ok(
      served.every(({ outcome, stdout }) => outcome === 'ok' && stdout === 'canary\n'),
      `${served.length} served`,
    )
    t.same(processesWith(SLEEPER_SECONDS), [])
    await nothingLeft()
  })
}
