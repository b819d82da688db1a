import { CLOSE_CODES, type RunnerFrame, type RunnerInfo } from '@loopgate/contracts'
import type { Clock, Logger, Secret } from '@loopgate/service-kit'
import { createBackoff } from './backoff.ts'
import { connectUrl } from './config.ts'
import { dialGateway, type GatewaySocket, type WorkFrame } from './socket.ts'

/** The sockets to every gateway replica that we know of. */
export type Links = {
  readonly dial: (url: string) => void
  /** Sends if that gateway is attached now. */
  readonly send: (gatewayId: string, frame: RunnerFrame) => void
  /** As `send`, for output, which is lost if the gateway does not keep up: false then. */
  readonly offer: (gatewayId: string, leaseId: string, frame: RunnerFrame) => boolean
  readonly sendAll: (frame: RunnerFrame) => void
  readonly close: (code: number, reason: string) => void
}

export type LinksDeps = {
  readonly clock: Clock
  readonly logger: Logger
  readonly token: Secret
  readonly info: () => RunnerInfo
  readonly onWelcome: (gatewayId: string) => void
  readonly onFrame: (gatewayId: string, frame: WorkFrame) => void
  /** Another gateway answers where this one did, and this one is attached nowhere: it was restarted. */
  readonly onSucceeded: (gatewayId: string) => void
}

type Link = {
  readonly url: string
  /** Given by configuration: dialled for ever. A peer was only heard of, and is given up after a while. */
  readonly configured: boolean
  readonly backoff: ReturnType<typeof createBackoff>
  socket: GatewaySocket | null
  gatewayId: string | null
  /** Who answered there last. */
  lastGatewayId: string | null
  failures: number
  cancelRetry: () => void
}

/** Tries in a row after which a peer counts as scaled away: about two minutes. */
const PEER_TRIES = 18

export function createLinks(deps: LinksDeps): Links {
  const links = new Map<string, Link>()
  let closed = false

  const isAttached = (gatewayId: string | null) => [...links.values()].some((each) => each.gatewayId === gatewayId)

  const open = (link: Link) => {
    link.cancelRetry()
    const target = { url: link.url, token: deps.token, info: deps.info() }
    link.socket = dialGateway(deps.clock, target, {
      onWelcome: ({ gatewayId, peers }) => {
        link.gatewayId = gatewayId
        link.failures = 0
        link.backoff.reset()
        deps.logger.info({ gatewayId, url: link.url }, 'attached to a gateway')
        const before = link.lastGatewayId
        link.lastGatewayId = gatewayId
        if (before !== null && before !== gatewayId && !isAttached(before)) deps.onSucceeded(before)
        deps.onWelcome(gatewayId)
        for (const peer of peers) add(peer, false)
      },
      onPeers: (peers) => {
        for (const peer of peers) add(peer, false)
      },
      onFrame: (frame) => {
        if (link.gatewayId !== null) deps.onFrame(link.gatewayId, frame)
      },
      onGone: (code, reason) => onGone(link, code, reason),
    })
  }

  const onGone = (link: Link, code: number | null, reason: string) => {
    const { gatewayId } = link
    link.socket = null
    link.gatewayId = null
    if (closed) return
    link.failures += 1
    // Behind a balancer two addresses may be one replica: the socket that it kept is enough.
    const elsewhere = code === CLOSE_CODES.replaced && isAttached(gatewayId)
    if (!link.configured && (elsewhere || link.failures > PEER_TRIES)) {
      links.delete(link.url)
      deps.logger.info({ url: link.url, reason }, 'a peer of the gateway is no longer dialled')
      return
    }
    const pauseMs = link.backoff.next()
    // Each first failure is worth a line; the ones after it would only repeat it.
    const level = link.failures === 1 ? 'warn' : 'debug'
    deps.logger[level]({ url: link.url, code, reason, retryInMs: Math.round(pauseMs) }, 'not attached to a gateway')
    if (elsewhere) return
    link.cancelRetry = deps.clock.after(pauseMs, () => open(link))
    // A link that stood back for this one has its turn again.
    for (const each of links.values()) {
      if (each !== link && each.configured && each.socket === null)
        each.cancelRetry = deps.clock.after(pauseMs, () => open(each))
    }
  }

  const add = (url: string, configured: boolean) => {
    let address: string
    try {
      address = connectUrl(url)
    } catch {
      deps.logger.warn({ url }, 'the gateway named a peer whose address is none')
      return
    }
    if (closed || links.has(address)) return
    const link: Link = {
      url: address,
      configured,
      backoff: createBackoff(),
      socket: null,
      gatewayId: null,
      lastGatewayId: null,
      failures: 0,
      cancelRetry: () => {},
    }
    links.set(address, link)
    open(link)
  }

  return {
    dial: (url) => add(url, true),
    send: (gatewayId, frame) => {
      for (const link of links.values()) if (link.gatewayId === gatewayId) return link.socket?.send(frame)
    },
    offer: (gatewayId, leaseId, frame) => {
      for (const link of links.values()) {
        if (link.gatewayId === gatewayId) return link.socket?.offer(leaseId, frame) ?? false
      }
      return false
    },
    sendAll: (frame) => {
      for (const link of links.values()) if (link.gatewayId !== null) link.socket?.send(frame)
    },
    close: (code, reason) => {
      closed = true
      for (const link of links.values()) {
        link.cancelRetry()
        link.socket?.close(code, reason)
      }
    },
  }
}
