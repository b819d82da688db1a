import type { Surface } from '@loopgate/contracts'

type Body = Readonly<Record<string, unknown>>

/**
 * What the provider reserves for an answer whose length nobody bounds, and the most that it ever
 * reserves (observed 2026-09, dcdpr/jp pull request 1085).
 */
export const RESERVED_TOKENS = 16_384

/** The bound that a caller sets on its answer, and the field it does it with; null if there is none. */
export function boundOf(surface: Surface, body: Body): { readonly field: string; readonly tokens: number } | null {
  for (const field of surface === 'chat' ? ['max_completion_tokens', 'max_tokens'] : ['max_tokens']) {
    const tokens = body[field]
    if (typeof tokens === 'number' && tokens > 0) return { field, tokens }
  }
  return null
}

/** How many answers one request is for. */
export const choicesOf = (body: Body): number => {
  const [n, best] = [body['n'], body['best_of']]
  return Math.max(1, typeof n === 'number' ? n : 1, typeof best === 'number' ? best : 1)
}

/** The body with a bound of ours, which is lower than the caller's. */
export function clamp(surface: Surface, body: Body, tokens: number): Body {
  const field = boundOf(surface, body)?.field ?? (surface === 'chat' ? 'max_completion_tokens' : 'max_tokens')
  return { ...body, [field]: tokens }
}
