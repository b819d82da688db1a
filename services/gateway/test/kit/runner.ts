import { once } from 'node:events'
import {
  gatewayFrameSchema,
  type ExecutionRequest,
  type ExecutionResult,
  type GatewayFrame,
  type Outcome,
  type RunnerFrame,
  type RunnerInfo,
} from '@loopgate/contracts'
import { createInbox, createOutbox, OWN_VERSION } from '@loopgate/runner-wire'
import { executionResult } from '@loopgate/testkit/execution-result'
import type { TestScope } from '@loopgate/testkit/redis'
import { WebSocket } from 'ws'

/** Frames as a runner reads them: an execution's request has been through its schema. */
type Heard = GatewayFrame extends infer F
  ? F extends { type: 'execute' }
    ? F & { request: ExecutionRequest }
    : F
  : never
type Frame<T extends GatewayFrame['type']> = Extract<Heard, { type: T }>

/** A runner in the test's hands: says what the test wants, shows what it hears. */
export type HandRunner = {
  readonly socket: WebSocket
  readonly say: (...frames: RunnerFrame[]) => void
  /** The next frame of this type that was not taken yet; waits for it. */
  readonly hear: <T extends GatewayFrame['type']>(type: T) => Promise<Frame<T>>
  /** Frames heard and not taken, less pings. */
  readonly unheard: () => GatewayFrame[]
  /** Code and reason once the gateway has ended the socket. */
  readonly closed: Promise<{ code: number; reason: string }>
  /** Cuts the connection as a crash would. */
  readonly crash: () => void
}

export const runnerInfo = (over: Partial<RunnerInfo> = {}): RunnerInfo => ({
  runnerId: 'runner-1',
  languages: [{ language: 'python', version: '3.11' }],
  tiers: ['process'],
  slots: 2,
  selfTest: { passed: true, checks: [] },
  ...over,
})

export const resultOf = (over: Partial<ExecutionResult> = {}, outcome: Outcome = 'ok'): ExecutionResult =>
  executionResult({ id: 'said by the runner', runnerId: 'said by the runner', outcome, ...over })

/** Opens the socket only: the runner has not greeted. */
export async function dial(t: TestScope, gateway: { url: string; runnerToken: string }): Promise<HandRunner> {
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/api/runners/connect`, {
    headers: { authorization: `Bearer ${gateway.runnerToken}` },
    perMessageDeflate: false,
  })
  const { promise: closed, resolve: onClose } = Promise.withResolvers<{ code: number; reason: string }>()
  const heard: GatewayFrame[] = []
  const waiting: { type: string; give: (frame: GatewayFrame) => void }[] = []
  socket.on('error', () => {})
  socket.on('close', (code, reason) => onClose({ code, reason: reason.toString() }))
  const inbox = createInbox<GatewayFrame>(gatewayFrameSchema)
  const outbox = createOutbox<RunnerFrame>(socket, Infinity, () => {})
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    const frames = inbox.take(data, isBinary)
    if (typeof frames === 'string') throw new Error(`the gateway broke the protocol: ${frames}`)
    for (const frame of frames) {
      const index = waiting.findIndex(({ type }) => type === frame.type)
      if (index >= 0) waiting.splice(index, 1)[0]!.give(frame)
      else heard.push(frame)
    }
  })
  t.teardown(() => socket.terminate())
  await once(socket, 'open')

  return {
    socket,
    say: (...frames) => {
      for (const frame of frames) outbox.push(frame)
      outbox.flush()
    },
    hear: <T extends GatewayFrame['type']>(type: T) => {
      const index = heard.findIndex((frame) => frame.type === type)
      if (index >= 0) return Promise.resolve(heard.splice(index, 1)[0] as Frame<T>)
      return new Promise<Frame<T>>((resolve) => {
        waiting.push({ type, give: (frame) => resolve(frame as Frame<T>) })
      })
    },
    unheard: () => heard.filter(({ type }) => type !== 'ping'),
    closed,
    crash: () => socket.terminate(),
  }
}

/** A runner that has greeted and was welcomed. */
export async function attach(
  t: TestScope,
  gateway: { url: string; runnerToken: string },
  info: Partial<RunnerInfo> = {},
): Promise<HandRunner> {
  const runner = await dial(t, gateway)
  runner.say({ type: 'hello', ...OWN_VERSION, info: runnerInfo(info) })
  await runner.hear('welcome')
  return runner
}
