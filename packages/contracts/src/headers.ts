/** Header names of the public API. Lower case, as Node gives them. */

/** Request: which independent sample of one request is meant: a number >= 0. Part of the key. */
export const SAMPLE_HEADER = 'x-loopgate-sample'
/** Request: the loop on whose behalf a call is made; for metrics and fairness, never part of the key. */
export const LOOP_HEADER = 'x-loopgate-loop'
/** Request: `strict` refuses fields that Cerebras refuses instead of removing them. */
export const MODE_HEADER = 'x-loopgate-mode'

/** Reply: `hit`, `miss`, `coalesced` or `bypass`. */
export const CACHE_HEADER = 'x-loopgate-cache'
/** Reply: the key of the generation, hex; only on replies that may be shared. */
export const KEY_HEADER = 'x-loopgate-key'
/** Reply: upstream calls made for this reply, 0 for a hit. */
export const ATTEMPTS_HEADER = 'x-loopgate-attempts'
/** Reply: milliseconds spent waiting for the upstream's headers, 0 for a hit. */
export const UPSTREAM_MS_HEADER = 'x-loopgate-upstream-ms'
/** Reply: milliseconds spent in Loopgate's own queues before the upstream was called. */
export const QUEUE_MS_HEADER = 'x-loopgate-queue-ms'
/** Reply: fields that were removed or renamed before the request went upstream, comma separated. */
export const NORMALISED_HEADER = 'x-loopgate-normalised'
/** Both ways: id of the request, for logs and support. */
export const REQUEST_ID_HEADER = 'x-request-id'
/** Request, own API: repeating a POST with the same value gives the first answer again. */
export const IDEMPOTENCY_HEADER = 'idempotency-key'
