export { createConnection, type Connection } from './cache/connection.ts'
export {
  createGenerations,
  type Generations,
  type GenerationsDeps,
  type GenerationsOptions,
  type SchedulingOptions,
} from './generations.ts'
export type { Replica } from './replicas/registry.ts'
export { FLIGHTS_PATH, type PeerRequest } from './replicas/replicas.ts'
export type { Administration } from './cache/administration.ts'
export type {
  Delivery,
  Freshness,
  Generation,
  GenerationCall,
  ResumePoint,
  Scheduling,
  Sharing,
  Sink,
  Ticket,
} from './types.ts'
export { LIMIT_WINDOWS } from './schedule/buckets/windows.ts'
export type { Cost } from './pipeline/account.ts'
