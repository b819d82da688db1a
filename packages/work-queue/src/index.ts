export * from './consumer.ts'
export * from './producer.ts'
export * from './slices.ts'
export * from './sweeper.ts'
