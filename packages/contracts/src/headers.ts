/** Header names of the public API. Lower case, as Node gives them. */

/**
 * Request: which independent sample of one request is meant: a number >= 0, part of the key; or `any`
 * stored one, the `best` (one that passed), or a `new` one. Reply: the sample that was given.
 */
export const SAMPLE_HEADER = 'x-loopgate-sample'
/** Request: how long the answer is kept, in seconds; the operator's time to live is the bound. */
export const CACHE_TTL_HEADER = 'x-loopgate-cache-ttl'
/** Request: `tenant` or `shared`; shared with other tenants only if the operator allows it too. */
export const CACHE_SCOPE_HEADER = 'x-loopgate-cache-scope'
/** Request: `store` keeps an answer that ended by its length, which is else never kept. */
export const CACHE_LENGTH_HEADER = 'x-loopgate-cache-length'
/** Request: events per second at which a stored stream is replayed; as fast as the client reads without. */
export const REPLAY_HEADER = 'x-loopgate-replay'
/** Request: `true` gives every event of a shareable stream an id to resume after with `last-event-id`. */
export const RESUMABLE_HEADER = 'x-loopgate-resumable'
/** Request: the loop that a call belongs to; for metrics and fairness, never part of the key. */
export const LOOP_HEADER = 'x-loopgate-loop'
/**
 * Request: the loop whose creator pays for a call and may see its answers, in place of the key that
 * presents it. Needs the scope `worker`.
 */
export const ON_BEHALF_HEADER = 'x-loopgate-on-behalf-of'
/** Request: `interactive`, `loop` or `batch`: who waits when there is not room for all; the key has a ceiling. */
export const PRIORITY_HEADER = 'x-loopgate-priority'
/** Request: how long the call may wait for room at the upstream, in ms; it is refused at once if that is too short. */
export const DEADLINE_HEADER = 'x-loopgate-deadline-ms'
/** Request: `learnt` or `none`: whether a bound that was learnt may be put on the output. */
export const OUTPUT_CAP_HEADER = 'x-loopgate-output-cap'
/** Request: `strict` refuses fields that Cerebras refuses instead of removing them. */
export const MODE_HEADER = 'x-loopgate-mode'

/** Reply: `hit`, `miss`, `coalesced` or `bypass`. */
export const CACHE_HEADER = 'x-loopgate-cache'
/** Reply: the key of the generation, hex; only on replies that may be shared. */
export const KEY_HEADER = 'x-loopgate-key'
/** Reply: upstream calls made for this reply, 0 for a hit. */
export const ATTEMPTS_HEADER = 'x-loopgate-attempts'
/** Reply: the name of the upstream that answered: `cerebras`, or a fallback of the operator's. */
export const UPSTREAM_HEADER = 'x-loopgate-upstream'
/** Reply: milliseconds spent waiting for the upstream's headers, 0 for a hit. */
export const UPSTREAM_MS_HEADER = 'x-loopgate-upstream-ms'
/** Reply: milliseconds spent in Loopgate's own queues before the upstream was called. */
export const QUEUE_MS_HEADER = 'x-loopgate-queue-ms'
/** Reply: the wait for room, in ms, that was expected when the call came; only if it had to wait. */
export const EXPECTED_WAIT_HEADER = 'x-loopgate-expected-wait-ms'
/** Reply: fields that were removed or renamed before the request went upstream, comma separated. */
export const NORMALISED_HEADER = 'x-loopgate-normalised'
/** Both ways: id of the request, for logs and support. */
export const REQUEST_ID_HEADER = 'x-request-id'
/** Reply: `leader` called the upstream, `follower` shared its call, `none` needed or shared no call. */
export const ROLE_HEADER = 'x-loopgate-role'
/** Request: repeating a POST with the same value and body gives the first answer again. */
export const IDEMPOTENCY_HEADER = 'idempotency-key'
/** Between replicas of the gateway alone: proof that whoever asks for a flight belongs to the installation. */
export const PEER_PROOF_HEADER = 'x-loopgate-peer'
