// npm run chaos [-- --kills N --problems N --seed S]: loops keep their promises while processes are killed.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startStack } from '../stack/stack.ts'
import { chaos } from './chaos.ts'
import { parseChaosOptions } from './options.ts'

const say = (text: string): void => void process.stderr.write(`chaos: ${text}\n`)
const folder = mkdtempSync(join(tmpdir(), 'loopgate-chaos-'))
try {
  const options = parseChaosOptions(process.argv.slice(2))
  say(`seed ${options.seed}`)
  const stack = await startStack({
    say,
    strictPorts: false,
    cerebrasKey: null,
    stateFolder: folder,
    restartsPerMinute: options.kills,
  })
  try {
    const report = await chaos(stack, options, say)
    process.stdout.write(`${JSON.stringify(report)}\n`)
    if (report.mismatches.length > 0 || report.lineages.length > 0) process.exitCode = 1
  } finally {
    await stack.stop()
  }
} catch (error) {
  say((error as Error).message)
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
