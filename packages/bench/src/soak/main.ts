// npm run soak [-- --count N] [--json]: what is left behind by streams whose callers leave.
// npm run soak -- executions [--tier process|fork|isolate] [--warm] [--count N]: and by executions.
import { parseArgs } from 'node:util'
import { isolationSchema } from '@loopgate/contracts'
import { abortedStreams } from './aborted-streams.ts'
import { soakExecutions } from './executions.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: 'string' },
    json: { type: 'boolean', default: false },
    tier: { type: 'string', default: 'process' },
    warm: { type: 'boolean', default: false },
  },
})
const say = (line: string): void => void process.stderr.write(`soak: ${line}\n`)

function refuse(why: string): never {
  say(why)
  process.exit(2)
}

function countOr(fallback: number): number {
  const count = values.count === undefined ? fallback : Number(values.count)
  return Number.isInteger(count) && count >= 100 ? count : refuse('--count takes a whole number of at least 100')
}

async function streams(): Promise<boolean> {
  const count = countOr(10_000)
  const report = await abortedStreams({ count, concurrency: 50, say })
  say(`after ${count} more: ${JSON.stringify(report.after)}, ${report.heapBytesPerAbort} bytes of heap for each`)
  if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`)
  const { flights, upstreamInFlight, listenersWarned, sockets } = report.after
  return flights === 0 && upstreamInFlight === 0 && !listenersWarned && sockets <= report.before.sockets + 4
}

async function executions(): Promise<boolean> {
  const tier = isolationSchema.safeParse(values.tier)
  if (!tier.success) return refuse(`--tier is one of ${isolationSchema.options.join(', ')}`)
  const count = countOr(100_000)
  const report = await soakExecutions({ tier: tier.data, count, concurrency: 4, warm: values.warm, say })
  say(`after ${count} more, ${report.perSecond} a second: ${JSON.stringify(report.after)}`)
  say(report.faults.length === 0 ? 'nothing is left' : `left behind: ${report.faults.join('; ')}`)
  if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`)
  return report.faults.length === 0
}

const [what = 'streams'] = positionals
if (what !== 'streams' && what !== 'executions') refuse(`${what}: expected streams or executions`)
if (!(await (what === 'streams' ? streams() : executions()))) process.exitCode = 1
