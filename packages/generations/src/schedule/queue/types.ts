import { type Priority, prioritySchema } from '@loopgate/contracts'

/** Classes of urgency, the most urgent first. */
export const PRIORITIES = prioritySchema.options

/** What the queue has to know of one that waits. The queue keeps the object; it is its own key. */
export type Waiting = {
  readonly priority: Priority
  readonly tenant: string
  /** The loop, else the API key: what shares of the upstream are given to. */
  readonly flow: string
  /** What its turn costs: what a share is measured in. At least 1. */
  readonly tokens: number
  /** What it holds in memory while it waits. */
  readonly bytes: number
  /** On the monotonic clock. */
  readonly sinceMs: number
}

/** Whose turns those of one that waits are. */
export type Flow = Pick<Waiting, 'priority' | 'tenant' | 'flow'>

/** What lies before one that would come now; tokens are those that turns cost. */
export type Ahead = { readonly tokens: number; readonly requests: number }
