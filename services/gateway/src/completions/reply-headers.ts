import {
  ATTEMPTS_HEADER,
  CACHE_HEADER,
  EXPECTED_WAIT_HEADER,
  KEY_HEADER,
  QUEUE_MS_HEADER,
  ROLE_HEADER,
  SAMPLE_HEADER,
  UPSTREAM_HEADER,
  UPSTREAM_MS_HEADER,
} from '@loopgate/contracts'
import type { Generation } from '@loopgate/generations'

/** What every answer says about how it was come by. */
export function replyHeaders(generation: Generation): Record<string, string> {
  const { outcome, role, key, sampleIndex, ageSeconds, attempts, queueMs, upstreamMs, headers } = generation
  const said: Record<string, string> = {
    ...headers,
    [CACHE_HEADER]: outcome,
    [ROLE_HEADER]: role,
    [UPSTREAM_HEADER]: generation.upstream,
    [ATTEMPTS_HEADER]: String(attempts),
    [QUEUE_MS_HEADER]: milliseconds(queueMs),
    [UPSTREAM_MS_HEADER]: milliseconds(upstreamMs),
  }
  if (generation.expectedWaitMs !== null) said[EXPECTED_WAIT_HEADER] = milliseconds(generation.expectedWaitMs)
  if (key !== null) said[KEY_HEADER] = key
  if (sampleIndex !== null) said[SAMPLE_HEADER] = String(sampleIndex)
  if (ageSeconds !== null) said['age'] = String(ageSeconds)
  return said
}

/** To a tenth; whole when that is exact. */
const milliseconds = (ms: number): string => String(Math.round(ms * 10) / 10)
