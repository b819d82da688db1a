import type { Clock } from '@loopgate/service-kit'
import type { SimulatorConfig } from '../config.ts'
import type { Budget } from '../generation/generation.ts'
import { contextLengthExceeded, QUEUE_EXCEEDED, type ErrorReply } from '../http/errors.ts'
import { retryAfterHeaders, type HeaderList } from '../http/respond.ts'
import { createLimiter, RESERVED_OUTPUT_TOKENS } from '../limits/limiter.ts'
import { quotas } from '../limits/tiers.ts'
import { createPromptCache } from '../limits/prompt-cache.ts'
import type { Model } from '../models/catalogue.ts'
import type { Call } from './call.ts'

type Sizes = {
  readonly promptTokens: number
  /** What the request bounds its output to; undefined, null or below 1 is no bound. */
  readonly requestedTokens: number | null | undefined
  readonly promptText: () => string
}

type Admitted = {
  readonly budget: Budget
  readonly headers: HeaderList
  /** Tells what was really generated, so that the reservation can be settled when the call ends. */
  readonly generated: (completionTokens: number) => void
}
type AdmissionResult = Admitted | { readonly error: ErrorReply; readonly headers: HeaderList }

export type AdmissionDesk = {
  readonly admit: (call: Call, organisation: string, model: Model, sizes: Sizes) => AdmissionResult
}

/**
 * Decides whether a request may be generated: does it fit the context, the organisation's buckets,
 * the queue. What it reserves is settled when its call ends; a client that leaves pays for the whole
 * generation, since the real API is not known to refund it.
 */
export function createAdmissionDesk({ clock }: { readonly clock: Clock }, config: SimulatorConfig): AdmissionDesk {
  const tier = config.limits === 'free' ? 'free' : 'paid'
  const limiter = createLimiter({ clock }, { quotaOf: quotas(config), refund: config.refund })
  const promptCache = config.promptCache ? createPromptCache({ clock }) : undefined
  let generating = 0

  return {
    admit: (call, organisation, model, { promptTokens, requestedTokens, promptText }) => {
      const bound = (requestedTokens ?? 0) > 0 ? Number(requestedTokens) : undefined
      const contextTokens = model.contextTokens[tier]
      if (promptTokens + (bound ?? 0) > contextTokens) {
        return { error: contextLengthExceeded(promptTokens + (bound ?? 0), contextTokens), headers: [] }
      }
      if (config.maxInFlight > 0 && generating >= config.maxInFlight) return { error: QUEUE_EXCEEDED, headers: [] }

      const cachedTokens = promptCache?.match(organisation, model.id, promptText()) ?? 0
      const outputTokens = Math.min(bound ?? RESERVED_OUTPUT_TOKENS, RESERVED_OUTPUT_TOKENS)
      const admission = limiter.admit(organisation, model.id, { promptTokens, cachedTokens, outputTokens })
      if (!admission.admitted) {
        const wait = retryAfterHeaders(config.retryAfter ? Math.ceil(admission.resetSeconds) : undefined)
        return { error: admission.error, headers: [...admission.headers, ...wait] }
      }

      let completionTokens = outputTokens
      generating += 1
      call.whenEnded(() => {
        generating -= 1
        admission.settle(completionTokens)
      })
      const maxTokens = Math.min(bound ?? Infinity, model.maxOutputTokens[tier], contextTokens - promptTokens)
      return {
        budget: { promptTokens, cachedTokens, maxTokens },
        headers: admission.headers,
        generated: (tokens) => {
          completionTokens = tokens
        },
      }
    },
  }
}
