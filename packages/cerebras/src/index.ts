export type { CallHandle, ReplyHead, Receiver } from './call/call.ts'
export { FORWARDED_HEADERS, type ForwardedHeaders } from './call/headers.ts'
export { isRecord } from './faults/body.ts'
export { type Model, type ModelList, modelNotFound } from './models.ts'
export { type BlockTaker, Framer, parseEvent, splitEvents, type SseEvent } from './sse/framer.ts'
export { fetchPublicModels } from './public-models.ts'
export { createPeers, type PeerRequest, type Peers, type PeersOptions } from './peers.ts'
export { type EventTaker, type Facts, factsOfReply, Scan } from './sse/scan.ts'
export { createRetries, type RetriedRequest, type Retries, type RetriesOptions } from './remedies/retries.ts'
export { type Remedy, remedyOf } from './remedies/table.ts'
export type { Organisation, OrganisationSettings } from './credentials/credentials.ts'
export type { FallbackSettings } from './fallbacks.ts'
export { type FaultKind, UpstreamFault } from './faults/upstream-fault.ts'
export type { RateFact, RateFacts, RateMetric, RateWindow } from './rate/facts.ts'
export {
  createUpstream,
  type Fallback,
  PRIMARY,
  type Upstream,
  type UpstreamOptions,
  type UpstreamRequest,
} from './upstream.ts'
