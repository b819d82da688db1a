import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { realpathSync } from 'node:fs'
import { connect, createServer } from 'node:net'

/**
 * An abstract socket of Linux stands for what is held: it is taken in one step and gone with its
 * process however that ends. A file with a pid would be neither, and pids are used again.
 */
const socketOf = (folder: string): string =>
  `\0loopgate-${createHash('sha256').update(realpathSync(folder)).digest('hex').slice(0, 32)}`

/**
 * Holds a port for this process among all stacks of the machine: between the choice of a port and the
 * moment when its process listens, nothing else says that it is taken. Null if another holds it.
 */
export const holdPort = (port: number): Promise<(() => void) | null> => hold(`\0loopgate-port-${port}`)

/**
 * Holds a state folder for this process, so that no second stack opens the data of its Redis.
 * Returns the release, null if the folder is held already.
 */
export const holdFolder = (folder: string): Promise<(() => void) | null> => hold(socketOf(folder))

async function hold(path: string): Promise<(() => void) | null> {
  const server = createServer((socket) => socket.destroy())
  try {
    server.listen({ path })
    await once(server, 'listening')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return null
    throw error
  }
  server.unref()
  return () => void server.close()
}

/** Whether a process holds the folder. */
export async function isHeld(folder: string): Promise<boolean> {
  const socket = connect({ path: socketOf(folder) })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
