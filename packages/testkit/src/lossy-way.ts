import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { TestScope } from './redis.ts'

export type LossyWay = {
  /** The same URL as the target's, but through this way. */
  readonly url: string
  /** What is sent over the connections there are arrives nowhere, and nothing is closed. New ones work. */
  readonly goSilent: () => void
  /** The network is cut: silence for the connections there are and for those that come, until it is mended. */
  readonly cut: () => void
  /** Closes the connections there are, and those that come, until it is mended: as if the other side had died. */
  readonly hangUp: () => void
  readonly mend: () => void
  /** Connections so far. */
  readonly connections: () => number
}

type Pair = readonly [near: Socket, far: Socket]

/** A way to a server over TCP that can go silent, as a network does and no closed socket shows. */
export async function lossyWay(t: TestScope, target: string): Promise<LossyWay> {
  const { hostname, port, protocol } = new URL(target)
  const sockets: Socket[] = []
  let open: Pair[] = []
  let isCut = false
  let hangsUp = false
  const join = ([near, far]: Pair): void => void near.pipe(far).pipe(near)
  const part = ([near, far]: Pair): void => {
    near.unpipe(far)
    far.unpipe(near)
  }
  const server = createServer((near) => {
    if (hangsUp) return near.destroy()
    const far = connect(Number(port), hostname)
    for (const socket of [near, far]) socket.on('error', () => {})
    // A connection that one side gives up is no secret for the other once the network is whole.
    near.on('close', () => !isCut && far.destroy())
    far.on('close', () => !isCut && near.destroy())
    sockets.push(near, far)
    open.push([near, far])
    if (!isCut) join([near, far])
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    url: `${protocol}//127.0.0.1:${(server.address() as AddressInfo).port}`,
    goSilent() {
      for (const pair of open.splice(0)) part(pair)
    },
    cut() {
      isCut = true
      for (const pair of open) part(pair)
    },
    hangUp() {
      hangsUp = true
      for (const socket of sockets) socket.destroy()
    },
    mend() {
      isCut = false
      hangsUp = false
      open = open.filter(([near, far]) => {
        if (!near.destroyed && !far.destroyed) return true
        near.destroy()
        far.destroy()
        return false
      })
      for (const pair of open) join(pair)
    },
    connections: () => sockets.length / 2,
  }
}
