import { once } from 'node:events'
import { chmodSync, chownSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Identity } from '../toolchain/identity.ts'

/** What a connection carries: channel, stdout, stderr, stdin, the checker's record. */
type LinkKind = 'c' | 'o' | 'e' | 'i' | 'r'

/** Where forks dial to: a connection begins with its kind and the ticket of its execution. */
export type Links = {
  /** Hands over connections with this ticket, each kind once, until the returned function is called. */
  readonly expect: (ticket: string, onLink: (kind: LinkKind, socket: Socket) => void) => () => void
  readonly close: () => void
}

export const TICKET_CHARACTERS = 32
const GREETING_BYTES = 1 + TICKET_CHARACTERS
const KINDS: ReadonlySet<string> = new Set(['c', 'o', 'e', 'i', 'r'])
/** Connections that the kernel may hold before they are accepted. */
const BACKLOG = 1024

/**
 * Listens on a socket in `folder` that only the user of the sandboxes can connect to. Servers of forks see
 * the folder at /tmp/link; it is to be one that no candidate sees.
 * @throws Error if the socket cannot be made, e.g. since its path is too long
 */
export async function listenForForks(folder: string, identity: Identity): Promise<Links> {
  const path = join(folder, 'runner')
  const expected = new Map<string, (kind: LinkKind, socket: Socket) => void>()
  const open = new Set<Socket>()
  const greet = (socket: Socket) => {
    const read = () => {
      const greeting = (socket.read(GREETING_BYTES) as Buffer | null)?.toString('latin1')
      if (greeting === undefined) return
      socket.off('readable', read)
      const kind = greeting.slice(0, 1)
      const onLink = expected.get(greeting.slice(1))
      if (onLink === undefined || !KINDS.has(kind)) socket.destroy()
      else onLink(kind as LinkKind, socket)
    }
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    // A peer that died is noticed by its exit.
    socket.on('error', () => {})
    socket.on('readable', read)
  }
  const server = createServer(greet).listen({ path, backlog: BACKLOG })
  await once(server, 'listening')
  chmodSync(path, 0o600)
  if ('uid' in identity) chownSync(path, identity.uid, identity.gid)
  return {
    expect: (ticket, onLink) => {
      const seen = new Set<LinkKind>()
      expected.set(ticket, (kind, socket) => {
        if (seen.has(kind)) return socket.destroy()
        seen.add(kind)
        onLink(kind, socket)
      })
      return () => expected.delete(ticket)
    },
    close: () => {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
}
