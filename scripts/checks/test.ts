// npm test: static checks, then every test file on one private Redis, then the real counts.
import { globSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { startManaged } from '../stack/managed.ts'
import { createPorts } from '../stack/ports.ts'
import { redisSpec } from '../stack/redis-process.ts'
import { ROOT, run } from './run.ts'
import { runStaticChecks } from './static.ts'
import { readTap } from './tap-counts.ts'

/** Where tests live; `.taprc` includes the same, and a file that tap did not run fails the run. */
const TEST_FILES = [
  'packages/*/test/**/*.test.ts',
  'services/*/test/**/*.test.ts',
  'scripts/test/**/*.test.ts',
  'deploy/test/**/*.test.ts',
]

const say = (text: string): void => void process.stdout.write(`${text}\n`)
const state = join(ROOT, '.loopgate', 'test')
const tapFile = join(state, 'result.tap')
const only = process.argv.slice(2)

async function runTap(redisUrl: string): Promise<number> {
  rmSync(tapFile, { force: true })
  // Each install undoes tap's own build of its plugin set, and without it tap loads a plugin that we
  // turned off. Nothing tells reliably whether it is due, so it is done each time (3 s).
  if ((await run('tap', ['build'])) !== 0) return 1
  return run('tap', ['--output-file', tapFile, '--reporter', 'terse', ...only], { LOOPGATE_TEST_REDIS_URL: redisUrl })
}

mkdirSync(state, { recursive: true })
const failedChecks = only.length > 0 ? [] : await runStaticChecks()

const port = await createPorts().choose('LOOPGATE_REDIS_PORT', 0, false)
const given = process.env['LOOPGATE_TEST_REDIS_URL']
const redis = given
  ? undefined
  : await startManaged(
      redisSpec(
        process.env['LOOPGATE_REDIS_SERVER'] || 'redis-server',
        port,
        join(state, String(process.pid)),
        process.env,
      ),
      { say, restarted: () => {}, gaveUp: say },
    )
let exitCode = 1
try {
  exitCode = await runTap(given ?? `redis://127.0.0.1:${port}`)
} finally {
  await redis?.stop()
  rmSync(join(state, String(process.pid)), { recursive: true, force: true })
}

const { passed, failed, skipped, files, failures } = readTap(readFileSync(tapFile, 'utf8'))
const expected = only.length > 0 ? [] : TEST_FILES.flatMap((pattern) => globSync(pattern, { cwd: ROOT }))
const missing = expected.filter((file) => !files.includes(file))
if (missing.length > 0) say(`test files that did not run: ${missing.join(', ')}`)
if (failedChecks.length > 0) say(`static checks that failed: ${failedChecks.join(', ')}`)
for (const failure of failures) say(`\n${failure}`)
const faults = failed + missing.length + failedChecks.length
say(`${files.length} test files, ${skipped} skipped assertions`)
say(`${passed} passed, ${faults} failed`)
process.exitCode = exitCode !== 0 || faults > 0 ? 1 : 0
