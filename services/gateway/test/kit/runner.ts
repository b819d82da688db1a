import { once } from 'node:events'
import {
  PROTOCOL_VERSION,
  type ExecutionResult,
  type GatewayFrame,
  type Outcome,
  type RunnerFrame,
  type RunnerInfo,
} from '@loopgate/contracts'
import { executionResult } from '@loopgate/testkit/execution-result'
import type { TestScope } from '@loopgate/testkit/redis'
import { WebSocket } from 'ws'

type Frame<T extends GatewayFrame['type']> = Extract<GatewayFrame, { type: T }>

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
  socket.on('message', (data: Buffer) => {
    for (const frame of JSON.parse(data.toString()) as GatewayFrame[]) {
      const index = waiting.findIndex(({ type }) => type === frame.type)
      if (index >= 0) waiting.splice(index, 1)[0]!.give(frame)
      else heard.push(frame)
    }
  })
  t.teardown(() => socket.terminate())
  await once(socket, 'open')

  return {
    socket,
    say: (...frames) => socket.send(JSON.stringify(frames)),
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
  runner.say({ type: 'hello', version: PROTOCOL_VERSION, info: runnerInfo(info) })
  await runner.hear('welcome')
  return runner
}
