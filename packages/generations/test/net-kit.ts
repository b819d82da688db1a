import { until as untilWithin } from '@loopgate/testkit/until'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
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

/** A way to a server that can be cut for good, as by the death of whoever uses it: nothing more passes, not even a farewell. */
export async function way(t: Test, to: string) {
  const { hostname, port, protocol } = new URL(to)
  const sockets = new Set<Socket>()
  const server = createTcpServer((near) => {
    const far = connect(Number(port), hostname)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.on('error', () => {})
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
    near.pipe(far).pipe(near)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = (): void => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  t.teardown(cut)
  return { url: `${protocol}//127.0.0.1:${(server.address() as AddressInfo).port}`, cut }
}
