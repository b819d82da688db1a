import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { realpathSync } from 'node:fs'
import { connect, createServer } from 'node:net'

/**
 * An abstract socket of Linux stands for a state folder: it is taken in one step and gone with its
 * process however that ends. A file with a pid would be neither, and pids are used again.
 */
const socketOf = (folder: string): string =>
  `\0loopgate-${createHash('sha256').update(realpathSync(folder)).digest('hex').slice(0, 32)}`

/**
 * Holds a state folder for this process, so that no second stack opens the data of its Redis.
 * Returns the release, null if the folder is held already.
 */
export async function holdFolder(folder: string): Promise<(() => void) | null> {
  const server = createServer((socket) => socket.destroy())
  try {
    server.listen({ path: socketOf(folder) })
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
