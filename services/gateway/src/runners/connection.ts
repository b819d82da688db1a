import type { WebSocket } from '@fastify/websocket'
import {
  CLOSE_CODES,
  runnerFrameSchema,
  type GatewayFrame,
  type RunnerFrame,
  type RunnerInfo,
} from '@loopgate/contracts'
import { createInbox, createOutbox, OWN_VERSION, refuseVersion, type Ignored } from '@loopgate/runner-wire'
import type { Clock } from '@loopgate/service-kit'

/** Frames that only matter after the greeting. */
export type WorkFrame = Exclude<RunnerFrame, { type: 'hello' } | { type: 'pong' }>

/** One attached runner, from its greeting to the end of its socket. */
export type Connection = {
  readonly info: RunnerInfo
  /** Version of the protocol that the runner speaks, `major.minor`. */
  readonly protocol: string
  readonly connectedAt: Date
  readonly send: (frame: GatewayFrame) => void
  /** Bytes that the runner has not taken yet. */
  readonly queuedBytes: () => number
  /** Ends the socket; its frames are no longer heard from this moment on. */
  readonly close: (code: number, reason: string) => void
}

export type ConnectionEvents = {
  /** The runner has greeted; called at most once, before any other. */
  readonly onHello: (connection: Connection) => void
  readonly onFrame: (connection: Connection, frame: WorkFrame) => void
  /** The socket is gone; called once, and only after onHello. */
  readonly onGone: (connection: Connection, reason: string) => void
  /** The runner speaks a newer minor version, and something of it was passed over. */
  readonly onIgnored: (what: Ignored) => void
}

export type ConnectionOptions = {
  readonly gatewayId: string
  /** A ping goes out this often; after three without a sign of life the runner counts as lost. */
  readonly heartbeatMs: number
  /** Longest wait for the greeting. */
  readonly helloMs: number
  /** WebSocket URLs of the other replicas. */
  readonly peers: () => readonly string[]
}

const MISSED_HEARTBEATS = 3
/** A runner that lets more than this pile up unread is cut off. */
const UNREAD_BYTES_MAX = 64 * 1024 * 1024
/** RFC 6455 registry, "Try Again Later". */
const TRY_AGAIN_LATER = 1013
/** How long a runner has to answer our close frame before the socket is cut. */
const CLOSE_MS = 1_000

/**
 * Speaks the runner protocol on one socket. Attaches its listeners before it returns, so it must
 * be called in the same turn as the upgrade: a message that comes earlier would be lost.
 */
export function acceptRunner(
  socket: WebSocket,
  clock: Clock,
  options: ConnectionOptions,
  events: ConnectionEvents,
): void {
  const outbox = createOutbox<GatewayFrame>(socket, UNREAD_BYTES_MAX, () => close(TRY_AGAIN_LATER, 'too much unread'))
  const inbox = createInbox<RunnerFrame>(runnerFrameSchema, events.onIgnored)
  let connection: Connection | null = null
  let ended = false
  let lastHeard = clock.now()

  const end = (reason: string): void => {
    if (ended) return
    ended = true
    stopTimer()
    if (connection !== null) events.onGone(connection, reason)
  }
  const close = (code: number, reason: string): void => {
    if (ended) return
    outbox.flush()
    socket.close(code, reason)
    clock.after(CLOSE_MS, () => socket.terminate())
    end(reason)
  }

  const beat = (): void => {
    if (clock.now() - lastHeard >= options.heartbeatMs * MISSED_HEARTBEATS) {
      close(CLOSE_CODES.heartbeatLost, 'no sign of life')
      socket.terminate()
      return
    }
    outbox.push({ type: 'ping' })
    stopTimer = clock.after(options.heartbeatMs, beat)
  }
  let stopTimer = clock.after(options.helloMs, () => close(CLOSE_CODES.protocolError, 'no hello in time'))

  const greet = (frame: Extract<RunnerFrame, { type: 'hello' }>): void => {
    if (connection !== null) return close(CLOSE_CODES.protocolError, 'hello twice')
    const refused = refuseVersion(frame)
    if (refused !== null) return close(CLOSE_CODES.protocolError, refused)
    stopTimer()
    outbox.push({
      type: 'welcome',
      ...OWN_VERSION,
      gatewayId: options.gatewayId,
      peers: [...options.peers()],
      heartbeatMs: options.heartbeatMs,
    })
    stopTimer = clock.after(options.heartbeatMs, beat)
    connection = {
      info: frame.info,
      protocol: `${frame.version}.${frame.minor}`,
      connectedAt: new Date(clock.wallNow()),
      send: (out) => {
        if (!ended) outbox.push(out)
      },
      queuedBytes: outbox.bytes,
      close,
    }
    events.onHello(connection)
  }

  socket.on('message', (data: Buffer, isBinary: boolean) => {
    if (ended) return
    lastHeard = clock.now()
    const frames = inbox.take(data, isBinary)
    if (typeof frames === 'string') return close(CLOSE_CODES.protocolError, frames)
    for (const frame of frames) {
      if (ended) return
      if (frame.type === 'hello') greet(frame)
      else if (connection === null) return close(CLOSE_CODES.protocolError, 'hello comes first')
      else if (frame.type !== 'pong') events.onFrame(connection, frame)
    }
  })
  socket.on('close', () => end('the socket closed'))
}
