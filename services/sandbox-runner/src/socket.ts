import {
  CLOSE_CODES,
  gatewayFrameSchema,
  MAX_MESSAGE_BYTES,
  type GatewayFrame,
  type RunnerFrame,
  type RunnerInfo,
} from '@loopgate/contracts'
import { createInbox, createOutbox, OWN_VERSION, refuseVersion } from '@loopgate/runner-wire'
import type { Clock, Secret } from '@loopgate/service-kit'
import { WebSocket, type RawData } from 'ws'

type Welcome = Extract<GatewayFrame, { type: 'welcome' }>
/** Frames about work. */
export type WorkFrame = Exclude<GatewayFrame, { type: 'welcome' } | { type: 'ping' } | { type: 'peers' }>

/** One socket to a gateway, from the dial to its end. */
export type GatewaySocket = {
  readonly send: (frame: RunnerFrame) => void
  /** Sends a piece of an execution's output; false if the gateway does not keep up and it is lost. */
  readonly offer: (leaseId: string, frame: RunnerFrame) => boolean
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

/** What may wait for a gateway that does not read; results are kept elsewhere until acknowledged. */
const WAITING_BYTES_MAX = 32 * 1024 * 1024
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
  const outbox = createOutbox<RunnerFrame>(
    {
      get bufferedAmount() {
        return socket.bufferedAmount
      },
      send: (message, sent) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(message, sent)
      },
    },
    WAITING_BYTES_MAX,
    () => cut('the gateway does not read'),
  )
  const inbox = createInbox<GatewayFrame>(gatewayFrameSchema)

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
    const refused = welcomed ? 'welcome twice' : refuseVersion(frame)
    if (refused !== null) return close(CLOSE_CODES.protocolError, refused)
    welcomed = true
    stopTimer()
    watch(Math.max(10, frame.heartbeatMs))
    events.onWelcome(frame)
  }

  socket.on('open', () => {
    outbox.push({ type: 'hello', ...OWN_VERSION, info: target.info })
    outbox.flush()
    stopTimer = clock.after(GREETING_MS, () => close(CLOSE_CODES.protocolError, 'no welcome in time'))
  })
  socket.on('message', (data: RawData, isBinary: boolean) => {
    if (ended) return
    lastHeardMs = clock.now()
    const frames = inbox.take(data as Buffer, isBinary)
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
  return { send: outbox.push, offer: outbox.offer, close }
}
