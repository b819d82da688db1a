import { once } from 'node:events'
import { createServer, type AddressInfo, type ListenOptions, type Server } from 'node:net'
import type { FastifyListenOptions } from 'fastify'
import type { App } from './app-type.ts'

/**
 * Sockets that listen on the one port. Node takes one connection from each in a turn of its event loop
 * (libuv since 1.45). With a single one and turns of 10 ms, 100 new callers a second would get in, and
 * the others stand in a queue of the kernel's that no timer and no counter of this process sees.
 */
const DOORS = 64
/** Only Linux shares new connections among sockets that listen on one port. */
const SHARED = process.platform === 'linux'

export type Place = { readonly host: string; readonly port: number }

/**
 * Opens the gateway's port with all its doors; they close with the application, once the replies under way are over.
 * @throws EADDRINUSE when another process listens there, another gateway too: a port that is shared would let it in
 */
export async function listen(app: App, { host, port }: Place): Promise<void> {
  const others: Server[] = []
  closeWith(app, others)
  if (SHARED && port !== 0) await assertFree({ host, port })
  // Fastify hands all of this on to Node; only its type does not know `reusePort`.
  const how: FastifyListenOptions & Pick<ListenOptions, 'reusePort'> = {
    host,
    port,
    reusePort: SHARED,
    listenTextResolver: (address) => `listening on ${address}`,
  }
  await app.listen(how)
  if (!SHARED) return
  const { address, port: opened } = app.server.address() as AddressInfo
  for (let count = 1; count < DOORS; count++) others.push(furtherDoor(app, { host: address, port: opened }))
  await Promise.all(others.map(async (door) => await once(door, 'listening')))
}

async function assertFree(place: Place): Promise<void> {
  const trial = createServer().listen({ ...place, exclusive: true })
  await once(trial, 'listening')
  trial.close()
  await once(trial, 'close')
}

/** What comes through it is the same server's. */
function furtherDoor(app: App, place: Place): Server {
  const door = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    app.server.emit('connection', socket)
  })
  return door.listen({ ...place, reusePort: true })
}

/** Nobody new comes in once the closing begins; what serves the replies under way waits for their end. */
function closeWith(app: App, doors: readonly Server[]): void {
  const closed: Array<Promise<unknown>> = []
  app.addHook('preClose', (done) => {
    for (const door of doors) closed.push(new Promise((resolve) => door.close(resolve)))
    done()
  })
  app.addHook('onClose', async () => void (await Promise.all(closed)))
}
