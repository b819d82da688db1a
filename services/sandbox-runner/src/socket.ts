import {
  CLOSE_CODES,
  MAX_MESSAGE_BYTES,
  PROTOCOL_VERSION,
  type GatewayFrame,
  type RunnerFrame,
  type RunnerInfo,
} from '@loopgate/contracts'
import type { Clock, Secret } from '@loopgate/service-kit'
import { WebSocket, type RawData } from 'ws'
import { parseMessage } from './inbox.ts'
import { createOutbox } from './outbox.ts'

type Welcome = Extract<GatewayFrame, { type: 'welcome' }>
/** Frames about work. */
export type WorkFrame = Exclude<GatewayFrame, { type: 'welcome' } | { type: 'ping' } | { type: 'peers' }>

/** One socket to a gateway, from the dial to its end. */
export type GatewaySocket = {
  readonly send: (frame: RunnerFrame) => void
  /** Says goodbye and ends. */
  readonly close: (code: number, reason: string) => void
}

export type SocketEvents = {
  readonly onWelcome: (welcome: Welcome) => void
  /** The gateway knows other replicas than when it said welcome. */
  readonly onPeers: (urls: readonly string[]) => void
  readonly onFrame: (frame: WorkFrame) => void
  /** The socket is gone; called exactly once. `code` is null if it never opened. */
  readonly onGone: (code: number | null, reason: string) => void
}

/** Longest wait for the upgrade, and then for the welcome. */
const GREETING_MS = 10_000
const MISSED_HEARTBEATS = 3
/** How long a gateway has to answer our close frame before the socket is cut. */
const CLOSE_MS = 1_000

/**
 * Dials a gateway and speaks the frames with it. Nothing is compressed: deflate in ws costs memory
 * that it does not give back (websockets/ws#1369), and its client has it on by default.
 */
export function dialGateway(
  clock: Clock,
  target: { url: string; token: Secret; info: RunnerInfo },
  events: SocketEvents,
): GatewaySocket {
  const socket = new WebSocket(target.url, {
    headers: { authorization: `Bearer ${target.token.reveal()}` },
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    handshakeTimeout: GREETING_MS,
    followRedirects: false,
  })
  let ended = false
  let welcomed = false
  let lastHeardMs = clock.now()
  let fault = ''
  let stopTimer = () => {}
  const outbox = createOutbox(
    {
      get bufferedAmount() {
        return socket.bufferedAmount
      },
      send: (message) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(message)
      },
    },
    () => cut('the gateway does not read'),
  )

  const end = (code: number | null, reason: string) => {
    if (ended) return
    ended = true
    stopTimer()
    events.onGone(code, reason)
  }
  const cut = (reason: string) => {
    socket.terminate()
    end(null, reason)
  }
  const close = (code: number, reason: string) => {
    if (ended) return
    outbox.flush()
    socket.close(code, reason)
    clock.after(CLOSE_MS, () => socket.terminate())
    end(code, reason)
  }
  const watch = (heartbeatMs: number) => {
    if (clock.now() - lastHeardMs >= heartbeatMs * MISSED_HEARTBEATS) return cut('no sign of life')
    stopTimer = clock.after(heartbeatMs, () => watch(heartbeatMs))
  }
  const take = (frame: GatewayFrame) => {
    if (frame.type === 'ping') return outbox.push({ type: 'pong' })
    if (frame.type !== 'welcome') {
      if (!welcomed) close(CLOSE_CODES.protocolError, 'welcome comes first')
      else if (frame.type === 'peers') events.onPeers(frame.peers)
      else events.onFrame(frame)
      return
    }
    if (welcomed || frame.version !== PROTOCOL_VERSION) {
      return close(CLOSE_CODES.protocolError, welcomed ? 'welcome twice' : `version ${PROTOCOL_VERSION} is spoken here`)
    }
    welcomed = true
    stopTimer()
    watch(Math.max(10, frame.heartbeatMs))
    events.onWelcome(frame)
  }

  socket.on('open', () => {
    outbox.push({ type: 'hello', version: PROTOCOL_VERSION, info: target.info })
    outbox.flush()
    stopTimer = clock.after(GREETING_MS, () => close(CLOSE_CODES.protocolError, 'no welcome in time'))
  })
  socket.on('message', (data: RawData, isBinary: boolean) => {
    if (ended) return
    lastHeardMs = clock.now()
    const frames = parseMessage(data as Buffer, isBinary)
    if (typeof frames === 'string') return close(CLOSE_CODES.protocolError, frames)
    for (const frame of frames) if (!ended) take(frame)
  })
  socket.on('unexpected-response', (request, response) => {
    fault = `the gateway answered ${response.statusCode ?? 0}`
    response.resume()
    request.destroy()
    end(null, fault)
  })
  socket.on('error', (error) => {
    fault ||= error.message
  })
  socket.on('close', (code, reason) => end(welcomed ? code : null, fault || reason.toString() || `closed with ${code}`))
  return { send: outbox.push, close }
}
