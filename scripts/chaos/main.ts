// npm run chaos [-- --kills N --problems N --seed S]: loops keep their promises while processes are killed.
import { withPrivateStack } from '../stack/private.ts'
import { chaos } from './chaos.ts'
import { parseChaosOptions } from './options.ts'

const say = (text: string): void => void process.stderr.write(`chaos: ${text}\n`)
try {
  const options = parseChaosOptions(process.argv.slice(2))
  say(`seed ${options.seed}`)
  const report = await withPrivateStack('chaos', { say, restartsPerMinute: options.kills }, (stack) =>
    chaos(stack, options, say),
  )
  process.stdout.write(`${JSON.stringify(report)}\n`)
  if (report.mismatches.length > 0 || report.lineages.length > 0) process.exitCode = 1
} catch (error) {
  say((error as Error).message)
  process.exitCode = 1
}
