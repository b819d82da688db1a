// Load generator of streams as a process of its own, so that it can be pinned to a core. Takes one
// argument, JSON: {url, headers, body, connections, seconds}; prints one JSON object.
import { setTimeout as delay } from 'node:timers/promises'
import type { Call } from './call.ts'
import { sseConnection, type StreamTotals } from './sse-connection.ts'

const job = JSON.parse(process.argv[2] ?? '{}') as Call & { connections: number; seconds: number }
const totals: StreamTotals = { wholeBytes: 0, openBytes: 0, responses: 0, incomplete: 0, failed: 0, reconnects: 0 }
let over = false

for (let i = 0; i < job.connections; i += 1) void sseConnection(job, totals, () => over)
const startedAt = performance.now()
await delay(job.seconds * 1000)
over = true
const durationUs = Math.round((performance.now() - startedAt) * 1000)
process.stdout.write(`${JSON.stringify({ ...totals, durationUs })}\n`, () => process.exit(0))
