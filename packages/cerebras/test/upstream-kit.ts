import {
  createLogger,
  createRegistry,
  type LoopgateError,
  Secret,
  systemClock,
  type Clock,
} from '@loopgate/service-kit'
import { type ScratchCall, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import type { Test } from 'tap'
import { createUpstream, type ReplyHead, type Upstream, type UpstreamOptions } from '../src/index.ts'

export const KEY = 'csk-canary-0123456789'

export async function setUp(
  t: Test,
  answer: (call: ScratchCall) => unknown,
  options: Partial<UpstreamOptions> = {},
  clock: Clock = systemClock,
) {
  const server = await scratchUpstream(t, answer)
  const registry = createRegistry({ processMetrics: false })
  const deps = { clock, logger: createLogger('test', 'silent'), registry }
  const upstream = createUpstream(deps, {
    url: server.url,
    organisations: [{ name: 'default', keys: [new Secret(KEY)], models: null }],
    ...options,
  })
  t.teardown(() => upstream.close())
  return { server, upstream, registry }
}

/** The pool has a connection back a turn of the event loop after its reply has ended. */
export const turn = () => new Promise(setImmediate)

/** Makes a call and keeps what its receiver hears. */
export function call(upstream: Upstream, body = '{"model":"m"}', headers = {}) {
  const first = Promise.withResolvers<void>()
  const over = Promise.withResolvers<LoopgateError | null>()
  const heard: { head: ReplyHead | null; pieces: Buffer[] } = { head: null, pieces: [] }
  const handle = upstream.call({
    path: '/v1/chat/completions',
    model: 'm',
    body: Buffer.from(body),
    headers,
    receiver: {
      onHead: (head) => (heard.head = head),
      onBytes(bytes) {
        heard.pieces.push(bytes)
        first.resolve()
      },
      onEnd: () => over.resolve(null),
      onFault: (error) => over.resolve(error),
    },
  })
  return { handle, heard, first: first.promise, over: over.promise, text: () => Buffer.concat(heard.pieces).toString() }
}
