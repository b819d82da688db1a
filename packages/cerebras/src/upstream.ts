import type { Clock, Logger, Registry } from '@loopgate/service-kit'
import type { CallHandle, Receiver } from './call/call.ts'
import type { ForwardedHeaders } from './call/headers.ts'
import { createUpstreamMetrics } from './call/metrics.ts'
import type { Organisation, OrganisationSettings } from './credentials/credentials.ts'
import { bodyFor, type FallbackSettings } from './fallbacks.ts'
import { type CallOptions, collect, createLink, type Link } from './link.ts'
import { createModels, type Models } from './models.ts'

export type UpstreamOptions = CallOptions & {
  /** Origin of the Cerebras API, e.g. `https://api.cerebras.ai`; a path in it is a prefix. */
  readonly url: string
  readonly organisations: readonly [OrganisationSettings, ...OrganisationSettings[]]
  /** In the order in which they are tried. */
  readonly fallbacks?: readonly FallbackSettings[]
}

export type UpstreamRequest = {
  readonly path: '/v1/chat/completions' | '/v1/completions'
  readonly model: string
  readonly body: Buffer
  readonly headers?: ForwardedHeaders
  readonly receiver: Receiver
  /** Whose keys to use; any that works if absent. */
  readonly organisation?: string
  /** Sends it to this fallback instead. */
  readonly fallback?: Fallback
}

/** A fallback for one model. */
export type Fallback = {
  readonly name: string
  /** What it calls the model. */
  readonly model: string
}

export type Upstream = {
  readonly organisations: readonly Organisation[]
  /** Whether calls may go to an organisation now; true for all where none is fit. */
  readonly usable: (organisation: string) => boolean
  /** No call has a chance now: the breaker is open, or no organisation has a key that works. */
  readonly exhausted: () => boolean
  /** The first fallback that has the model, is not one of these, and whose breaker is closed. */
  readonly fallback: (model: string, tried: readonly string[]) => Fallback | null
  /**
   * Sends one request and hands the reply's raw bytes to the receiver. Tries a second time, at once,
   * only when a reused socket was reset before any byte of the reply. The receiver may hear of a
   * fault before this returns. Faults are `UpstreamFault`, and `remedyOf` says what they mean; what
   * they mean for keys and the breaker has been done by then.
   */
  readonly call: (request: UpstreamRequest) => CallHandle
  readonly models: Models
  /** Closes all connections; calls under way fail. */
  readonly close: () => Promise<void>
}

/** The name of the first upstream, in headers and metrics. */
export const PRIMARY = 'cerebras'

/** Makes the client of the Cerebras API, and of those that stand in for it. */
export function createUpstream(
  deps: { clock: Clock; logger: Logger; registry: Registry },
  options: UpstreamOptions,
): Upstream {
  const { clock, logger, registry } = deps
  const { url, organisations, fallbacks = [], ...limits } = options
  const metrics = createUpstreamMetrics(registry)
  const linkDeps = { clock, logger, metrics }
  const primary = createLink(linkDeps, { ...limits, name: PRIMARY, url, dialect: 'cerebras', organisations })
  const others = new Map<string, Link>(
    fallbacks.map(({ name, url, key }) => [
      name,
      createLink(linkDeps, {
        ...limits,
        name,
        url,
        dialect: 'openai',
        organisations: [{ name, keys: [key], models: null }],
      }),
    ]),
  )
  const models = createModels(deps, async () => {
    const receiver = collect()
    primary.send({
      method: 'GET',
      path: '/v1/models',
      model: 'other',
      body: null,
      organisation: null,
      headers: {},
      receiver,
    })
    return await receiver.body
  })

  return {
    organisations: primary.credentials.organisations,
    usable: primary.credentials.usable,
    exhausted: () => primary.credentials.exhausted() || primary.breaker.closedForMs() > 0,
    fallback(model, tried) {
      for (const { name, models } of fallbacks) {
        const theirs = Object.hasOwn(models, model) ? models[model] : undefined
        const closed = others.get(name)?.breaker.closedForMs() === 0
        if (theirs !== undefined && closed && !tried.includes(name)) return { name, model: theirs }
      }
      return null
    },
    call({ path, model, body, headers = {}, receiver, organisation = null, fallback }) {
      const link = fallback === undefined ? primary : others.get(fallback.name)
      if (link === undefined) throw new TypeError(`there is no fallback ${fallback?.name}`)
      const sent = fallback === undefined ? body : bodyFor(fallback.model, body)
      const named = fallback === undefined ? organisation : null
      return link.send({ method: 'POST', path, model, body: sent, organisation: named, headers, receiver })
    },
    models,
    async close() {
      await Promise.all([primary, ...others.values()].map((link) => link.close()))
    },
  }
}
