import { until as untilWithin } from '@loopgate/testkit/until'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PEER_PROOF_HEADER } from '@loopgate/contracts'
import type { Test } from 'tap'
import { FLIGHTS_PATH, type Generations } from '../src/index.ts'

/** Puts generations on the network, as the gateway does, and announces them to the others. */
export async function onNetwork(t: Test, generations: Generations) {
  let followers = 0
  const server = createServer((request, response) => void serve(request, response))
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '', 'http://localhost')
    const key = decodeURIComponent(url.pathname.slice(FLIGHTS_PATH.length + 1))
    const proof = String(request.headers[PEER_PROOF_HEADER])
    const leave = await generations.serve({ key, token: url.searchParams.get('token') ?? '', proof }, response)
    if (leave === null) return void response.writeHead(404).end()
    followers++
    if (response.destroyed) return leave()
    response.on('close', leave)
    response.flushHeaders()
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  await generations.announce(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  return {
    generations,
    /** How often another has come to follow a flight that is led here. */
    followers: () => followers,
    /** Cuts every connection to it; new ones are taken. */
    cut: () => server.closeAllConnections(),
    /** Cuts every connection to it, and takes no more. */
    shut() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Waits for what cannot be awaited, e.g. a connection that comes back by itself. */
export const until = (holds: () => boolean | Promise<boolean>): Promise<void> => untilWithin(holds, 10_000)
