import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import {
  MAX_MESSAGE_BYTES,
  runnerFrameSchema,
  executionRequestSchema,
  type ExecutionInput,
  type GatewayFrame,
  type RunnerFrame,
} from '@loopgate/contracts'
import { createInbox, createOutbox, OWN_VERSION } from '@loopgate/runner-wire'
import { WebSocketServer, type WebSocket } from 'ws'

type Frame<T extends RunnerFrame['type']> = Extract<RunnerFrame, { type: T }>

/** One runner's socket as a gateway sees it. Frames wait in order until the test asks for them. */
export type StubLink = {
  readonly socket: WebSocket
  readonly authorization: string | undefined
  /** Size in frames of each message so far. */
  readonly batches: number[]
  readonly send: (...frames: GatewayFrame[]) => void
  readonly sendText: (text: string) => void
  /** The next frame of a type, from those that came and no one asked for, else the next to come. */
  readonly next: <T extends RunnerFrame['type']>(type: T) => Promise<Frame<T>>
  /** Frames of a type that came and no one asked for. */
  readonly waiting: (type: RunnerFrame['type']) => RunnerFrame[]
  readonly closed: Promise<number>
}

/**
 * The gateway's side of the runner protocol and nothing else: a real WebSocket server that says what a
 * test tells it to, well-formed or not.
 */
export async function gatewayStub(
  t: { teardown: (fn: () => unknown) => void },
  options: { port?: number; path?: string } = {},
) {
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: options.port ?? 0,
    path: options.path ?? '/api/runners/connect',
    perMessageDeflate: true,
    maxPayload: MAX_MESSAGE_BYTES,
  })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const arrived: StubLink[] = []
  const wanted: Array<(link: StubLink) => void> = []
  server.on('connection', (socket, request) => {
    const link = createLink(socket, request.headers.authorization)
    const want = wanted.shift()
    if (want === undefined) arrived.push(link)
    else want(link)
  })
  const close = async () => {
    for (const socket of server.clients) socket.terminate()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
  t.teardown(close)
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    close,
    /** The next runner that connects; no frame of its is lost. */
    connection: (): Promise<StubLink> => {
      const link = arrived.shift()
      return link === undefined ? new Promise((resolve) => wanted.push(resolve)) : Promise.resolve(link)
    },
    waitingConnections: () => arrived.length,
  }
}

function createLink(socket: WebSocket, authorization: string | undefined): StubLink {
  const came: RunnerFrame[] = []
  const asked: Array<{ type: string; settle: (frame: RunnerFrame) => void }> = []
  const batches: number[] = []
  socket.on('error', () => {})
  const inbox = createInbox<RunnerFrame>(runnerFrameSchema)
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    const frames = inbox.take(data, isBinary)
    // What a runner says has to be valid by the contract, always.
    if (typeof frames === 'string') throw new Error(frames)
    batches.push(frames.length)
    for (const frame of frames) {
      const at = asked.findIndex(({ type }) => type === frame.type)
      if (at === -1) came.push(frame)
      else asked.splice(at, 1)[0]?.settle(frame)
    }
  })
  const sendText = (text: string) => socket.send(text)
  const outbox = createOutbox<GatewayFrame>(socket, Infinity, () => {})
  return {
    socket,
    authorization,
    batches,
    sendText,
    send: (...frames) => {
      for (const frame of frames) outbox.push(frame)
      outbox.flush()
    },
    next: (type) =>
      new Promise((resolve) => {
        const at = came.findIndex((frame) => frame.type === type)
        const settle = (frame: RunnerFrame) => resolve(frame as never)
        if (at === -1) asked.push({ type, settle })
        else settle(came.splice(at, 1)[0] as RunnerFrame)
      }),
    waiting: (type) => came.filter((frame) => frame.type === type),
    closed: once(socket, 'close').then(([code]) => code as number),
  }
}

export function welcome(rest: Partial<Extract<GatewayFrame, { type: 'welcome' }>> = {}): GatewayFrame {
  return { type: 'welcome', ...OWN_VERSION, gatewayId: 'gw-1', peers: [], heartbeatMs: 30_000, ...rest }
}

/** An `execute` frame of a Python program. */
export function execute(
  leaseId: string,
  content: string,
  rest: Partial<ExecutionInput> & { deadlineMs?: number; output?: boolean } = {},
): GatewayFrame {
  const { deadlineMs = 120_000, output = false, ...request } = rest
  const whole = { language: 'python', files: [{ path: 'main.py', content }], limits: { wallMs: 60_000 }, ...request }
  return {
    type: 'execute',
    leaseId,
    executionId: `exec-${leaseId}`,
    deadlineMs,
    output,
    request: executionRequestSchema.parse(whole),
  }
}
