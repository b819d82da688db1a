// npm run soak [-- --count N] [--json]: what is left behind by streams whose callers leave.
import { parseArgs } from 'node:util'
import { abortedStreams } from './aborted-streams.ts'

const { values } = parseArgs({
  options: { count: { type: 'string', default: '10000' }, json: { type: 'boolean', default: false } },
})
const count = Number(values.count)
const say = (line: string): void => void process.stderr.write(`soak: ${line}\n`)
if (!Number.isInteger(count) || count < 100) {
  say('--count takes a whole number of at least 100')
  process.exit(2)
}
const report = await abortedStreams({ count, concurrency: 50, say })
say(`after ${count} more: ${JSON.stringify(report.after)}, ${report.heapBytesPerAbort} bytes of heap for each`)
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`)
const { flights, upstreamInFlight, listenersWarned, sockets } = report.after
if (flights !== 0 || upstreamInFlight !== 0 || listenersWarned || sockets > report.before.sockets + 4)
  process.exitCode = 1
