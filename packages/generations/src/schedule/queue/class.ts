import { Line } from './line.ts'
import { Ring } from './ring.ts'
import type { Ahead, Flow, Waiting } from './types.ts'

/** The flows of one tenant, in turn. */
class Tenant<T extends Waiting> {
  tokens = 0
  readonly flows = new Ring<T, Line<T>>()

  peek(): T | undefined {
    return this.flows.peek()?.peek()
  }
}

/** Those of one class: tenants in turn, and of each tenant its flows in turn. */
export class PriorityClass<T extends Waiting> {
  tokens = 0
  readonly #waiting = new Set<T>()
  readonly #tenants = new Ring<T, Tenant<T>>()

  get size(): number {
    return this.#waiting.size
  }

  add(item: T, first: boolean): void {
    this.#waiting.add(item)
    this.tokens += item.tokens
    let tenant = this.#tenants.get(item.tenant)
    if (tenant === undefined) this.#tenants.add(item.tenant, (tenant = new Tenant<T>()))
    tenant.tokens += item.tokens
    let line = tenant.flows.get(item.flow)
    if (line === undefined) {
      line = new Line<T>()
      line.add(item, first)
      tenant.flows.add(item.flow, line)
    } else line.add(item, first)
  }

  delete(item: T): boolean {
    if (!this.#waiting.delete(item)) return false
    const tenant = this.#tenants.get(item.tenant)
    const line = tenant?.flows.get(item.flow)
    if (tenant === undefined || line === undefined) return false
    line.delete(item)
    this.tokens -= item.tokens
    tenant.tokens -= item.tokens
    if (line.size > 0) return true
    tenant.flows.delete(item.flow)
    if (tenant.flows.size === 0) this.#tenants.delete(item.tenant)
    return true
  }

  peek(): T | undefined {
    return this.#tenants.peek()?.peek()
  }

  /** Takes out the one that `peek` gave. */
  take(item: T): void {
    this.give(item, -item.tokens)
    this.delete(item)
  }

  /** Tokens that a flow did not use after all go to its next turns, and to its tenant's. */
  give({ tenant, flow }: Flow, tokens: number): void {
    this.#tenants.give(tenant, tokens)
    this.#tenants.get(tenant)?.flows.give(flow, tokens)
  }

  /** When the one that has waited longest came; undefined if none waits. */
  oldestMs(): number | undefined {
    for (const { sinceMs } of this.#waiting) return sinceMs
    return undefined
  }

  /** What of this class comes before a new one of a flow, as far as turns can tell: never more than all. */
  ahead({ tenant: name, flow }: Flow): Ahead {
    const tenant = this.#tenants.get(name)
    const own = tenant?.flows.get(flow)?.tokens ?? 0
    const turns = this.#tenants.size + (tenant === undefined ? 1 : 0)
    const flows = (tenant?.flows.size ?? 0) + (own === 0 ? 1 : 0)
    // Each other member has as many turns meanwhile; a mean item stands for the one that each has at least.
    const mean = this.size === 0 ? 0 : this.tokens / this.size
    const ofTenant = Math.min(tenant?.tokens ?? 0, own + (own + mean) * (flows - 1))
    const tokens = Math.min(this.tokens, ofTenant + (ofTenant + mean) * (turns - 1))
    return { tokens, requests: mean === 0 ? 0 : Math.ceil(tokens / mean) }
  }
}
