export { createGenerations, type Generations, type GenerationsDeps, type GenerationsOptions } from './generations.ts'
export type { Freshness, Generation, GenerationCall, Sink, Ticket } from './types.ts'
