import t from 'tap'
import { abortedStreams } from '../src/soak/aborted-streams.ts'

t.test('streams that their callers leave, at whatever stage, leave nothing behind', async (t) => {
  const { before, after } = await abortedStreams({ count: 400, concurrency: 20, say: () => {} })
  t.match(after, { flights: 0, upstreamInFlight: 0, listenersWarned: false })
  t.ok(after.sockets <= before.sockets + 4, `${after.sockets} sockets, ${before.sockets} before`)
})
