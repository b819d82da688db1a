/** What a ring takes turns among: something with a first item. */
type Member<T> = { readonly peek: () => T | undefined }

type Turn<M> = {
  readonly member: M
  /** Tokens that it may still take in this round. */
  deficit: number
  previous: Turn<M>
  next: Turn<M>
}

/**
 * Tokens of a turn. Smaller than any request worth mention, so that nobody has two in one turn because
 * requests are small; large ones gather several turns, which are added up at once.
 */
export const QUANTUM_TOKENS = 128

/**
 * Deficit round robin (Shreedhar and Varghese, 1995): each member in turn may take as many tokens as
 * its turns have added up to. Of any two that always wait, neither gets ahead by more than the largest
 * item and two quanta, however large the items of the other are.
 */
export class Ring<T extends { readonly tokens: number }, M extends Member<T>> {
  readonly #turns = new Map<string, Turn<M>>()
  #current: Turn<M> | null = null

  get size(): number {
    return this.#turns.size
  }

  get(name: string): M | undefined {
    return this.#turns.get(name)?.member
  }

  /** A new member has its first turn after all others. */
  add(name: string, member: M): void {
    const turn = { member, deficit: 0 } as Turn<M>
    const after = this.#current?.previous ?? turn
    const before = this.#current ?? turn
    turn.previous = after
    turn.next = before
    after.next = turn
    before.previous = turn
    this.#current ??= turn
    this.#turns.set(name, turn)
  }

  /** One that waits no more; what it had left of its turn is gone. */
  delete(name: string): void {
    const turn = this.#turns.get(name)
    if (turn === undefined) return
    this.#turns.delete(name)
    turn.previous.next = turn.next
    turn.next.previous = turn.previous
    if (this.#current !== turn) return
    if (this.#turns.size === 0) this.#current = null
    else this.#enter(turn.next)
  }

  /** The member whose first item is next; the same until something is taken, added or deleted. */
  peek(): M | undefined {
    let turn = this.#current
    if (turn === null) return undefined
    for (let passed = 0; missing(turn) > 0; passed++) {
      if (passed === this.#turns.size) {
        this.#skipRounds()
        passed = 0
      }
      turn = this.#enter(turn.next)
    }
    return turn.member
  }

  /** The first item of a member has been taken. */
  took(name: string, tokens: number): void {
    this.give(name, -tokens)
  }

  /** Tokens that were taken and not used; one that waits no more has no use for them. */
  give(name: string, tokens: number): void {
    const turn = this.#turns.get(name)
    if (turn !== undefined) turn.deficit += tokens
  }

  #enter(turn: Turn<M>): Turn<M> {
    turn.deficit += QUANTUM_TOKENS
    this.#current = turn
    return turn
  }

  /** No one could take anything in a whole round: as many rounds as nobody could, at once. */
  #skipRounds(): void {
    let rounds = Number.POSITIVE_INFINITY
    for (const turn of this.#turns.values()) rounds = Math.min(rounds, Math.ceil(missing(turn) / QUANTUM_TOKENS))
    if (!(rounds > 1)) return
    for (const turn of this.#turns.values()) turn.deficit += (rounds - 1) * QUANTUM_TOKENS
  }
}

/** How many tokens a member lacks for its first item. */
const missing = <T extends { readonly tokens: number }>({ member, deficit }: Turn<Member<T>>): number =>
  (member.peek()?.tokens ?? 0) - deficit
