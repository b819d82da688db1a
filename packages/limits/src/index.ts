export { createLimiter, type Limiter, type LimiterDeps, type LimiterOptions } from './limiter.ts'
export type { Payer } from './payer.ts'
export { defineScripts } from './scripts.ts'
export type { Amount, Ask, Kind, Link, Reservation, Usage } from './types.ts'
