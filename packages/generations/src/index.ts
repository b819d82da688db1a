export { createGenerations, type Generations, type GenerationsDeps, type GenerationsOptions } from './generations.ts'
export type { Replica } from './replicas/registry.ts'
export { FLIGHTS_PATH, PEER_PROOF_HEADER, type PeerRequest } from './replicas/replicas.ts'
export type { Freshness, Generation, GenerationCall, Sink, Ticket } from './types.ts'
