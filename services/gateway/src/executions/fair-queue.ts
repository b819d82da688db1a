/** A place in the queue; hand it back to leave early. */
export type Ticket<T> = {
  readonly tenant: string
  readonly value: T
  previous: Ticket<T> | null
  next: Ticket<T> | null
  waiting: boolean
}

type Line<T> = { head: Ticket<T> | null; tail: Ticket<T> | null }

export type FairQueue<T> = {
  readonly size: () => number
  readonly push: (tenant: string, value: T) => Ticket<T>
  /** Puts back what `take` gave, before everything else of its tenant, and its tenant before the others. */
  readonly putBack: (tenant: string, value: T) => Ticket<T>
  /** The next of the next tenant in turn, left where it is; null if nobody waits. */
  readonly peek: () => T | null
  /** As `peek`, and takes it out: the tenant's turn is over. */
  readonly take: () => T | null
  /** Leaves the queue; does nothing for a ticket that has left. */
  readonly remove: (ticket: Ticket<T>) => void
}

/**
 * First in, first out within a tenant, tenants in turn: one tenant's thousand executions delay
 * another's one by a single turn. No tenant without waiting entries is kept. Constant time, but for
 * `putBack`, which takes time in the number of waiting tenants.
 */
export function createFairQueue<T>(): FairQueue<T> {
  // A Map keeps insertion order: its first key is the tenant whose turn it is.
  let lines = new Map<string, Line<T>>()
  let size = 0

  const unlink = (line: Line<T>, ticket: Ticket<T>): void => {
    if (ticket.previous === null) line.head = ticket.next
    else ticket.previous.next = ticket.next
    if (ticket.next === null) line.tail = ticket.previous
    else ticket.next.previous = ticket.previous
    ticket.waiting = false
    size -= 1
  }

  return {
    size: () => size,
    push(tenant, value) {
      const line = lines.get(tenant) ?? { head: null, tail: null }
      const ticket: Ticket<T> = { tenant, value, previous: line.tail, next: null, waiting: true }
      if (line.tail === null) line.head = ticket
      else line.tail.next = ticket
      line.tail = ticket
      lines.set(tenant, line)
      size += 1
      return ticket
    },
    putBack(tenant, value) {
      const line = lines.get(tenant) ?? { head: null, tail: null }
      const ticket: Ticket<T> = { tenant, value, previous: null, next: line.head, waiting: true }
      if (line.head === null) line.tail = ticket
      else line.head.previous = ticket
      line.head = ticket
      lines.delete(tenant)
      lines = new Map([[tenant, line], ...lines])
      size += 1
      return ticket
    },
    peek() {
      for (const line of lines.values()) return line.head?.value ?? null
      return null
    },
    take() {
      for (const [tenant, line] of lines) {
        const ticket = line.head
        lines.delete(tenant)
        if (ticket === null) return null
        unlink(line, ticket)
        if (line.head !== null) lines.set(tenant, line)
        return ticket.value
      }
      return null
    },
    remove(ticket) {
      if (!ticket.waiting) return
      const line = lines.get(ticket.tenant)
      if (line === undefined) return
      unlink(line, ticket)
      if (line.head === null) lines.delete(ticket.tenant)
    },
  }
}
