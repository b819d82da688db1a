// npm run chaos [-- --kills N --problems N --seed S]: loops keep their promises while processes are killed.
// npm run chaos -- --cut SECONDS: executions keep theirs while the network to their runner is cut.
import { withPrivateStack } from '../stack/private.ts'
import { chaos } from './chaos.ts'
import { cut } from './cut.ts'
import { parseChaosOptions } from './options.ts'

const say = (text: string): void => void process.stderr.write(`chaos: ${text}\n`)
try {
  const options = parseChaosOptions(process.argv.slice(2))
  const faults = options.cutSeconds === null ? await killed(options) : await cutOff(options.cutSeconds)
  if (faults > 0) process.exitCode = 1
} catch (error) {
  say((error as Error).message)
  process.exitCode = 1
}

async function killed(options: ReturnType<typeof parseChaosOptions>): Promise<number> {
  say(`seed ${options.seed}`)
  const report = await withPrivateStack('chaos', { say, restartsPerMinute: options.kills }, (stack) =>
    chaos(stack, options, say),
  )
  process.stdout.write(`${JSON.stringify(report)}\n`)
  return report.mismatches.length + report.lineages.length
}

async function cutOff(seconds: number): Promise<number> {
  const report = await cut(seconds, say)
  process.stdout.write(`${JSON.stringify(report)}\n`)
  return report.faults.length
}
