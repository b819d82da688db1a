// A worker in a process of its own, to be killed. Says on stdout what it does, one JSON a line.
import { createLogger, systemClock } from '@loopgate/service-kit'
import { Redis } from 'ioredis'
import { createSliceConsumer } from '../src/index.ts'

const { url, keyPrefix, stallMs } = JSON.parse(process.argv[2] ?? '{}') as {
  url: string
  keyPrefix: string
  stallMs: number
}
const say = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`)

const consumer = createSliceConsumer(
  { redis: new Redis(url, { maxRetriesPerRequest: null }), logger: createLogger('test', 'silent'), clock: systemClock },
  {
    keyPrefix,
    concurrency: 4,
    stallMs,
    handle: ({ loopId }) => {
      say({ started: loopId })
      return new Promise(() => {}) // never ends: only a kill does
    },
  },
)
await consumer.ready()
say({ ready: true })
